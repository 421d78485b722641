import { opencastLimit } from '../../jwk/opencast-limit.ts';
import type { Outcome } from './ask.ts';
import { has, readSet, taken, type Entry } from './entries.ts';
import {
  error,
  inWords,
  quote,
  takesNothing,
  warning,
  type Judgement,
  type KeyVerdict,
  type Note,
} from './judgement.ts';
import type { ClientModel } from './model.ts';
import { opencast19Token, source } from './opencast19-token.ts';
import { javaNoAnswer, javaRefuses, javaWarnings, type JavaTexts } from './opencast-answer.ts';

const cache = (text: string): ReturnType<typeof quote> =>
  quote(`Error while loading from JWKS cache: ${text}`, source);

const texts: JavaTexts = {
  io: (message) => cache(`Couldn't retrieve JWK set from URL: ${message}`),
  unreadable: cache('Unable to parse JWK set'),
};

const next = 'publish it with profile opencast, and the keys of one type only';

const judge = (outcome: Outcome, url: URL): Judgement => {
  if (!outcome.ok) return takesNothing(javaNoAnswer(outcome, url, texts));
  const refused = javaRefuses(outcome, texts);
  if (refused !== undefined) return takesNothing(refused);
  const set = readSet(outcome.body, { byteOrderMark: true });
  // A key of a type Nimbus does not know is left out, as RFC 7517 §5 asks.
  const verdicts = set.entries.map(judgeEntry);
  if (!set.ok)
    return takesNothing(
      error(set.code, set.detail, 'serve a JWK Set: a plain JSON object with "keys"', texts.unreadable),
      verdicts,
    );
  const killer = set.entries.map(killsSet).find((note) => note !== undefined);
  if (killer !== undefined) return takesNothing(killer, verdicts);
  const types = new Set(set.entries.filter(isRead).map(({ kty }) => kty));
  if (types.size > 1) {
    const detail = `keys of several types (${[...types].join(', ')}): it makes each of them the type of the token`;
    const says = inWords(
      'a ClassCastException, and HTTP 500 for every login; from August 2026 on (pull request 7897) it skips the others',
      'Opencast 19, JWTVerifier',
    );
    return takesNothing(error('mixed-kty', detail, next, says), verdicts);
  }
  const slow =
    outcome.milliseconds > 500
      ? [
          warning(
            'slow',
            `the answer took ${outcome.milliseconds} ms, and 500 ms of silence lose it`,
            'make the server answer faster',
          ),
        ]
      : [];
  const notes = [...javaWarnings(outcome), ...slow];
  if (verdicts.some((key) => key.taken)) return { keys: verdicts, notes };
  const says = quote('JWT could not be verified', `${source}, level debug`);
  return {
    keys: verdicts,
    notes: [...notes, error('no-usable-key', 'the set has no key this Opencast can use', next, says)],
  };
};

const known: ReadonlySet<string | undefined> = new Set(['RSA', 'EC', 'OKP', 'oct']);
const isRead = ({ kty }: Entry): boolean => known.has(kty);

/** What JWK.parse refuses: one such entry fails the whole set. */
const killsSet = (entry: Entry): Note | undefined => {
  const { members, label, kty } = entry;
  const kill = (code: string, detail: string): Note =>
    error(code, `${label}: ${detail}, which fails the whole set`, next, texts.unreadable);
  if (members === undefined) return kill('malformed-key', 'the entry is not an object');
  if (kty === undefined) return kill('malformed-key', 'the entry has no kty');
  if (!isRead(entry)) return undefined;
  const wrong = ['kid', 'alg', 'use', 'x5u', 'x5t', 'x5t#S256'].find(
    (name) => has(entry, name) && members[name] !== null && typeof members[name] !== 'string',
  );
  if (wrong !== undefined)
    return kill(wrong === 'kid' ? 'bad-kid' : 'malformed-key', `${wrong} is not a string`);
  if (typeof members['use'] === 'string' && members['use'].trim() === '')
    return kill('malformed-key', 'use is empty');
  const ops = members['key_ops'] ?? undefined;
  if (ops !== undefined && !(Array.isArray(ops) && ops.every((each) => operations.has(each))))
    return kill('malformed-key', 'key_ops is not a list of known operations');
  if (Array.isArray(ops) && isAtOdds(members['use'], ops))
    return kill('malformed-key', 'use and key_ops contradict each other');
  if (kty === 'oct')
    return typeof members['k'] === 'string' ? undefined : kill('malformed-key', 'k is missing');
  const { key, rejection } = entry;
  const given = has(entry, 'x5c') ? members['x5c'] : undefined;
  if (Array.isArray(given) && given.length > 0 && key !== undefined && key.jwk.x5c === undefined)
    return kill('certificate-mismatch', 'x5c is not a certificate of this key');
  if (key !== undefined || rejection?.reason === 'weak_key' || rejection?.reason === 'oversize_key')
    return undefined;
  const detail = rejection?.detail ?? 'it cannot be read';
  if (kty !== 'RSA' || typeof members['n'] !== 'string' || typeof members['e'] !== 'string')
    return kill(rejection?.reason === 'unsupported_crv' ? 'unsupported-crv' : 'malformed-key', detail);
  const does = 'the key is read, and every login ends when it is tried, before the keys behind it are';
  return error(
    'malformed-key',
    `${label}: ${detail}, which fails the whole set`,
    next,
    inWords(does, source),
  );
};

const operations: ReadonlySet<unknown> = new Set([
  'sign',
  'verify',
  'encrypt',
  'decrypt',
  'wrapKey',
  'unwrapKey',
  'deriveKey',
  'deriveBits',
]);

const signing: ReadonlySet<unknown> = new Set(['sign', 'verify']);
const encrypting: ReadonlySet<unknown> = new Set(['encrypt', 'decrypt', 'wrapKey', 'unwrapKey']);

const isAtOdds = (use: unknown, ops: readonly unknown[]): boolean =>
  (use === 'sig' && !ops.every((each) => signing.has(each))) ||
  (use === 'enc' && !ops.every((each) => encrypting.has(each)));

const judgeEntry = (entry: Entry): KeyVerdict => {
  const why = whyNot(entry);
  return why === undefined ? taken(entry) : { ...taken(entry), taken: why.level === 'warning', why };
};

const not = (code: string, detail: string, does: string): Note =>
  error(code, detail, next, inWords(does, source));

const whyNot = ({ kty, key, rejection, members }: Entry): Note | undefined => {
  if (kty === 'oct')
    return not('symmetric-key', 'a symmetric key', 'it is read, and no token is verified with it');
  if (!known.has(kty))
    return not(
      kty === 'AKP' ? 'akp-key' : 'unsupported-kty',
      `kty ${kty ?? '?'} is not known`,
      'the key is left out, silently',
    );
  if (key === undefined) {
    if (rejection?.reason === 'weak_key' && kty === 'RSA' && /^RSA with \d/u.test(rejection.detail))
      return warning('rsa-too-small', rejection.detail, 'replace the key with one of 3072 bits');
    return not('malformed-key', rejection?.detail ?? 'the key cannot be read', 'see the set');
  }
  const { crv } = key.jwk;
  if (kty === 'OKP' && crv !== 'Ed25519')
    return not(
      'unsupported-crv',
      `${crv ?? '?'} is not verified with`,
      'one such key ends every login with EdDSA',
    );
  // JWTVerifier tries every key of the set: use, alg and kid are not looked at.
  return members?.['use'] === 'enc'
    ? warning('not-signature', 'it tries this key although use is enc', 'publish signature keys only')
    : undefined;
};

/** Opencast 19: half a second to connect, half a second of silence, 50 KiB, and one key it cannot parse fails the set. */
export const opencast19: ClientModel = {
  id: 'opencast@19',
  title: 'Opencast 19',
  manner: {
    headers: [
      ['User-Agent', 'Java/17'],
      ['Accept', 'text/html, image/gif, image/jpeg, */*; q=0.2'],
      ['Connection', 'keep-alive'],
    ],
    connectTimeout: 500,
    idleTimeout: 500,
    timeout: 30_000,
    redirects: 20,
    limit: opencastLimit,
  },
  families: new Set(['RSA', 'P-256', 'P-384', 'P-521', 'Ed25519']),
  judge,
  token: opencast19Token,
};
