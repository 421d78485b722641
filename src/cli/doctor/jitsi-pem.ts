import { createPublicKey } from 'node:crypto';
import { admitJwk } from '../../jwk/admit.ts';
import { excerpt } from '../../jwk/excerpt.ts';
import { kidDigest } from '../../jwk/kid-digest.ts';
import type { Key } from '../../jwk/key.ts';
import type { Outcome } from './ask.ts';
import { prosodyRefuses, prosodySource } from './jitsi.ts';
import { error, inWords, quote, warning, type Judgement, type KeyVerdict, type Note } from './judgement.ts';

/** One PEM asked for, with and without the slash that a base URL ending in one makes double. */
export interface PemAnswers {
  readonly kid: string;
  readonly url: string;
  readonly plain: Outcome;
  /** The answer at `//`. */
  readonly doubled: Outcome;
}

/** Where Prosody looks for a key: the base, a slash, the kid digest (`path.join` keeps a slash that is there). */
export const pemUrl = (base: string, kid: string): string => `${base}/${kidDigest(kid)}.pem`;

/** What Prosody makes of the PEMs below one base, by `asap_key_server`; `set` are the keys of the set beside them. */
export const judgePems = (answers: readonly PemAnswers[], set: ReadonlyMap<string, Key>): Judgement => {
  const keys = answers.map((answer) => judgePem(answer, set.get(answer.kid)));
  return { keys, notes: keys.some(({ taken }) => taken) ? doubledNotes(answers) : [nothing(keys)] };
};

const nothing = (keys: readonly KeyVerdict[]): Note => {
  const says = quote('could not obtain public key', prosodySource);
  const why = keys.find(({ why: note }) => note !== undefined)?.why;
  return error(
    why?.code ?? 'no-usable-key',
    why?.detail ?? 'there is no PEM',
    why?.next ?? 'publish an RS256 key',
    why?.says ?? says,
  );
};

const judgePem = ({ kid, url, plain }: PemAnswers, published: Key | undefined): KeyVerdict => {
  const label = excerpt(kid) ?? '?';
  const bare = { label, kid, kty: undefined, alg: undefined, key: undefined };
  const refused = prosodyRefuses(plain, url);
  if (refused !== undefined || !plain.ok)
    return { ...bare, taken: false, ...(refused === undefined ? {} : { why: refused }) };
  const read = readPem(plain.body);
  if ('level' in read) return { ...bare, taken: false, why: read };
  const verdict: KeyVerdict = { ...bare, kty: read.jwk.kty, key: read, taken: true };
  if (published === undefined || published.thumbprint === read.thumbprint) return verdict;
  const detail = 'the PEM is another key than the set has under this kid: it was given to other material';
  return {
    ...verdict,
    why: warning(
      'kid-reused',
      detail,
      'give the new key a new kid, and restart Prosody: it keeps the PEM it has',
    ),
  };
};

/** The form luaossl reads: SPKI between the dashed lines of RFC 7468 §13. */
const readPem = (body: Buffer): Key | Note => {
  const text = body.toString('latin1');
  const hangs = inWords(
    'every login with this kid hangs until Prosody restarts: it keeps what it got with a 200 or 204',
    prosodySource,
  );
  const bad = (detail: string): Note =>
    error('not-pem', detail, 'answer 404 when there is no key; jwksd answers 200 with nothing else', hangs);
  if (text.trim() === '') return bad('the answer is empty');
  if (/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/u.test(text))
    return error(
      'private-members',
      'the answer is a private key',
      'take it away and replace the key at once',
      hangs,
    );
  if (!text.includes('-----BEGIN PUBLIC KEY-----')) {
    const found = /-----BEGIN ([A-Z0-9 ]+)-----/u.exec(text)?.[1];
    return bad(found === undefined ? 'the answer is not a PEM' : `the PEM is a ${found}, not a PUBLIC KEY`);
  }
  try {
    const object = createPublicKey({
      key: text.slice(text.indexOf('-----BEGIN PUBLIC KEY-----')),
      format: 'pem',
    });
    if (object.asymmetricKeyType !== 'rsa') {
      const says = inWords('no signature verifies with it', prosodySource);
      return error(
        'not-rsa',
        `the PEM holds a key of type ${object.asymmetricKeyType ?? '?'}`,
        'publish an RSA key under this kid',
        says,
      );
    }
    const admission = admitJwk(object.export({ format: 'jwk' }), { origin: 'upstream' });
    return admission.ok
      ? admission.key
      : error('rsa-too-small', admission.rejection.detail, 'replace the key with one of 3072 bits');
  } catch {
    return bad('the PEM cannot be decoded');
  }
};

const doubledNotes = (answers: readonly PemAnswers[]): readonly Note[] => {
  const lost = answers.find(({ plain, doubled }) => isPem(plain) && !isPem(doubled));
  if (lost === undefined) return [];
  const detail = 'an asap_key_server with a slash at its end asks for //, and gets nothing';
  return [warning('double-slash', detail, 'write asap_key_server without a slash at its end')];
};

const isPem = (outcome: Outcome): boolean => outcome.ok && outcome.status === 200;
