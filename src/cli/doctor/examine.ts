import type { Clock } from '../../clock.ts';
import type { Key } from '../../jwk/key.ts';
import { lintSet, type Finding } from '../../jwk/lint.ts';
import { ask, type Manner, type Outcome } from './ask.ts';
import { curveOrType, readSet, type Entry } from './entries.ts';
import { generic } from './generic.ts';
import { judgePems, pemUrl, type PemAnswers } from './jitsi-pem.ts';
import { jitsiSet, prosodyManner } from './jitsi.ts';
import { jitsiToken } from './jitsi-token.ts';
import { warning, type Judgement, type Note } from './judgement.ts';
import type { ClientId, ClientModel, TokenRules } from './model.ts';
import { octokas } from './octoka.ts';
import { opencast18 } from './opencast18.ts';
import { opencast19 } from './opencast19.ts';
import { judgeToken, type TokenSeen, type TokenVerdict } from './token.ts';

/** The models that read a JWK Set, in the order they are told. */
const setModels: readonly ClientModel[] = [...octokas, opencast18, opencast19, jitsiSet, generic];

/** What is asked, and as whom. */
export interface Examination {
  readonly url: URL;
  /** All clients that make sense when undefined. */
  readonly as: ClientId | undefined;
  readonly kid: string | undefined;
  readonly token: TokenSeen | undefined;
  readonly clock: Clock;
}

/** What one client would make of it. */
export interface ClientReport extends Judgement {
  readonly id: ClientId;
  readonly title: string;
  /** The set is not meant for this client: it has no key of a type the client knows. */
  readonly irrelevant: boolean;
  readonly token?: TokenVerdict;
}

/** What the doctor found. */
export interface Report {
  readonly clients: readonly ClientReport[];
  /** Of the set itself, whoever reads it; what hurts one client alone is told with that client. */
  readonly findings: readonly Finding[];
}

/** Asks a server as each client would, and judges what it answers. */
export const examine = async (examination: Examination): Promise<Report> => {
  const { url, as, clock } = examination;
  const wanted = setModels.filter((model) => isWanted(as, model.id));
  const asked = new Map<Manner, Promise<Outcome>>();
  const outcomeOf = async (manner: Manner): Promise<Outcome> => {
    const pending = asked.get(manner) ?? ask(url, manner, clock);
    asked.set(manner, pending);
    return await pending;
  };
  const outcomes = await Promise.all(wanted.map(async ({ manner }) => await outcomeOf(manner)));
  const wantsPems = isWanted(as, 'jitsi@pem');
  const judged = wantsPems ? [...outcomes, await outcomeOf(prosodyManner)] : outcomes;
  const body = judged.find((outcome) => outcome.ok && outcome.status === 200 && !isEncoded(outcome));
  const set = body?.ok === true ? readSet(body.body, { byteOrderMark: true }) : undefined;
  const entries = set?.entries ?? [];
  const isSet = set !== undefined && (set.ok || entries.length > 0);

  const isThere = judged.some((outcome) => outcome.ok);
  const pems = wantsPems ? await examinePems(examination, isSet ? entries : undefined, isThere) : undefined;
  // A base URL of PEMs is no JWK Set, and no other client can be meant.
  const isBase = pems !== undefined && !isSet && pems.answers.length > 0 && as !== 'jitsi@set';
  const reports: ClientReport[] = [];
  for (const [index, model] of wanted.entries()) {
    const outcome = outcomes[index];
    if (outcome === undefined || isBase) continue;
    const judgement = model.judge(outcome, url);
    const irrelevant =
      as === undefined && isSet && !entries.some((entry) => model.families.has(curveOrType(entry) ?? ''));
    const extra = model === jitsiSet && pems !== undefined && !irrelevant ? pems.missing : [];
    reports.push(
      await report(
        { id: model.id, title: model.title, irrelevant },
        { ...judgement, notes: [...judgement.notes, ...extra] },
        model.token,
        examination,
      ),
    );
  }
  if (pems !== undefined && pems.answers.length > 0) {
    const published = new Map(
      entries.flatMap(({ kid, key }): [string, Key][] =>
        kid === undefined || key === undefined ? [] : [[kid, key]],
      ),
    );
    const head = { id: 'jitsi@pem' as const, title: 'Jitsi, asap_key_server', irrelevant: false };
    reports.push(await report(head, judgePems(pems.answers, published), jitsiToken, examination));
  } else if (as === 'jitsi@pem') {
    const note = pems?.missing[0] ?? noKid;
    reports.push({
      id: 'jitsi@pem',
      title: 'Jitsi, asap_key_server',
      irrelevant: false,
      keys: [],
      notes: [{ ...note, level: 'error' }],
    });
  }
  const findings =
    isSet && body?.ok === true ? lintSet(body.body).filter(({ client }) => client === undefined) : [];
  return { clients: reports, findings };
};

const isWanted = (as: ClientId | undefined, id: ClientId): boolean =>
  as === undefined || as === id || id.startsWith(`${as}@`);

const isEncoded = (outcome: Outcome): boolean =>
  outcome.ok && ![undefined, 'identity'].includes(outcome.headers['content-encoding']);

const report = async (
  head: Pick<ClientReport, 'id' | 'title' | 'irrelevant'>,
  judgement: Judgement,
  rules: TokenRules,
  { kid, token, clock }: Examination,
): Promise<ClientReport> => {
  const keys = kid === undefined ? judgement.keys : judgement.keys.filter((key) => key.kid === kid);
  const shown = { ...head, ...judgement, keys };
  if (token === undefined || head.irrelevant) return shown;
  return { ...shown, token: await judgeToken({ token: rules }, token, judgement.keys, clock.wall() / 1000) };
};

/** PEMs asked for at most: more kids than a set ever has in use. */
const mostPems = 20;

const noKid: Note = warning(
  'no-pem',
  'there is no JWK Set here, and no kid to ask a PEM for',
  'give --kid with the base URL of the PEMs, or the URL of the JWK Set',
);

interface Pems {
  readonly answers: readonly PemAnswers[];
  readonly missing: readonly Note[];
}

/** Asks for the PEM of each RSA key of the set, below the directories where it may be; or of one kid below the URL. */
const examinePems = async (
  { url, kid, token, clock }: Examination,
  entries: readonly Entry[] | undefined,
  isThere: boolean,
): Promise<Pems> => {
  const only = kid ?? (entries === undefined ? token?.kid : undefined);
  const named = (entries ?? []).flatMap((entry) =>
    entry.kty === 'RSA' && entry.kid !== undefined ? [entry.kid] : [],
  );
  const kids = [...new Set(only === undefined ? named : [only])].slice(0, mostPems);
  const [first] = kids;
  if (first === undefined) return { answers: [], missing: entries === undefined && isThere ? [noKid] : [] };
  const bases =
    entries === undefined
      ? [url.href.replace(/[?#].*$/u, '').replace(/\/+$/u, '')]
      : [`${url.origin}/certs`, url.origin];
  for (const base of bases) {
    const answers = [await askPem(base, first, clock)];
    if (entries !== undefined && !hasPem(answers[0])) continue;
    for (const name of kids.slice(1)) answers.push(await askPem(base, name, clock));
    return { answers, missing: [] };
  }
  const detail = `there is no PEM below ${bases.join(' or ')}: a kid that is not yet in the set is refused`;
  return {
    answers: [],
    missing: [warning('no-pem', detail, 'set asap_key_server too, to the PEMs of jwksd')],
  };
};

const hasPem = (answer: PemAnswers | undefined): boolean =>
  answer?.plain.ok === true && answer.plain.status === 200;

const askPem = async (base: string, kid: string, clock: Clock): Promise<PemAnswers> => {
  const url = pemUrl(base, kid);
  const plain = await ask(new URL(url), prosodyManner, clock);
  // What hangs or refuses once does so twice.
  const doubled = plain.ok ? await ask(new URL(pemUrl(`${base}/`, kid)), prosodyManner, clock) : plain;
  return { kid, url, plain, doubled };
};
