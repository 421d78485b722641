import { hasTopBit } from '../../jwk/lint.ts';
import type { Outcome } from './ask.ts';
import { readSet, taken, type Entry } from './entries.ts';
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
import { javaName, opencast18Token, source } from './opencast18-token.ts';
import { javaNoAnswer, javaRefuses, javaWarnings, type JavaTexts } from './opencast-answer.ts';

const cache = (text: string): ReturnType<typeof quote> =>
  quote(`Error while loading from JWKS cache: ${text}`, source);

const textsFor = (url: URL): JavaTexts => {
  // The message of Guava's exception is that of its cause, and jwks-rsa does not repeat Java's own.
  const says = cache(`com.auth0.jwk.NetworkException: Cannot obtain jwks from url ${url.href}`);
  return { io: () => says, unreadable: says };
};

/** The shipped list of `expectedAlgorithms` aside, what AlgorithmBuilder knows, and the curve each wants. */
const algorithms: Readonly<Record<string, string>> = {
  RS256: 'RSA',
  RS384: 'RSA',
  RS512: 'RSA',
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
};

const next = 'publish it with profile opencast, and each key with alg, use and kid';

const judge = (outcome: Outcome, url: URL): Judgement => {
  const texts = textsFor(url);
  if (!outcome.ok) {
    const note = javaNoAnswer(outcome, url, texts);
    if (outcome.reason !== 'timeout') return takesNothing(note);
    const says = inWords('nothing: it waits without limit, and so does the login', source);
    return takesNothing({ ...note, detail: `${note.detail}; then the doctor gave up`, says });
  }
  const refused = javaRefuses(outcome, texts);
  if (refused !== undefined) return takesNothing(refused);
  const set = readSet(outcome.body, { byteOrderMark: true });
  const verdicts = set.entries.map(judgeEntry);
  if (!set.ok) {
    return takesNothing(
      error(set.code, set.detail, 'serve a JWK Set: a plain JSON object with "keys"', texts.unreadable),
      verdicts,
    );
  }
  if (set.entries.length === 0) {
    const says = cache(`com.auth0.jwk.SigningKeyNotFoundException: No keys found in ${url.href}`);
    return takesNothing(error('empty-set', 'the set has no keys', 'publish a key', says));
  }
  const killer = set.entries.map(killsSet).find((note) => note !== undefined);
  if (killer !== undefined) return takesNothing(killer, verdicts);
  const keys = verdicts.map((key) => clash(key, verdicts));
  const notes = javaWarnings(outcome);
  if (keys.some((key) => key.taken)) return { keys, notes };
  const says = quote('No key found', `${source}, level debug`);
  return {
    keys,
    notes: [...notes, error('no-usable-key', 'no key of the set is one this Opencast can use', next, says)],
  };
};

/** Casts of Java that fail, and a missing `kty`: one such entry ends the reading of the set. */
const killsSet = (entry: Entry): Note | undefined => {
  const { members, label } = entry;
  if (members === undefined) {
    const says = inWords('a ClassCastException, and HTTP 500 for the login', source);
    return error(
      'malformed-key',
      `${label}: the entry is not an object, which fails the whole set`,
      next,
      says,
    );
  }
  const wrong = ['kid', 'kty', 'alg', 'use', 'x5u', 'x5t'].find(
    (name) => members[name] !== undefined && members[name] !== null && typeof members[name] !== 'string',
  );
  if (wrong !== undefined) {
    const says = inWords('a ClassCastException, and HTTP 500 for the login', source);
    return error(
      wrong === 'kid' ? 'bad-kid' : 'malformed-key',
      `${label}: ${wrong} is not a string, which fails the whole set`,
      next,
      says,
    );
  }
  if ((members['kty'] ?? undefined) !== undefined) return undefined;
  const says = cache('com.auth0.jwk.SigningKeyNotFoundException: Failed to parse jwk from json');
  return error('malformed-key', `${label}: the entry has no kty, which fails the whole set`, next, says);
};

const judgeEntry = (entry: Entry): KeyVerdict => {
  const why = whyNot(entry);
  return why === undefined ? taken(entry) : { ...taken(entry), taken: why.level === 'warning', why };
};

const not = (code: string, detail: string, text: string): Note =>
  error(code, detail, next, quote(text, `${source}, level debug`));

const whyNot = (entry: Entry): Note | undefined => {
  const { kty, alg, key, rejection, members } = entry;
  if (kty !== 'RSA' && kty !== 'EC') {
    const code = kty === 'oct' ? 'symmetric-key' : kty === 'AKP' ? 'akp-key' : 'unsupported-kty';
    return not(
      code,
      `keys of type ${kty ?? '?'} are not supported`,
      `The key type of ${kty ?? 'null'} is not supported`,
    );
  }
  if (
    kty === 'EC' &&
    typeof members?.['crv'] === 'string' &&
    !['P-256', 'P-384', 'P-521'].includes(members['crv'])
  )
    return not(
      'unsupported-crv',
      `the curve ${members['crv']} is not supported`,
      `Invalid or unsupported curve type ${members['crv']}`,
    );
  if (alg === undefined) {
    const detail =
      'alg is missing: a token without kid never finds it, and one with its kid ends in an error';
    return not('alg-missing', detail, 'No key found');
  }
  const family = algorithms[alg];
  if (family === undefined)
    return not('alg-mismatch', `alg ${alg} is not one it verifies`, `Unsupported algorithm '${alg}'`);
  const invalid = `The Token's Signature resulted invalid when verified using the Algorithm: ${javaName(alg)}`;
  if (key === undefined) {
    if (rejection?.reason === 'weak_key' && kty === 'RSA')
      return warning('rsa-too-small', rejection.detail, 'replace the key with one of 3072 bits');
    return not('malformed-key', rejection?.detail ?? 'the key cannot be read', invalid);
  }
  if (family !== (key.jwk.crv ?? 'RSA')) {
    const says = inWords('a ClassCastException, or a signature that never verifies', source);
    return error('alg-mismatch', `alg ${alg} is not one of this key`, next, says);
  }
  if (!hasTopBit(key.jwk.x) && !hasTopBit(key.jwk.y)) return undefined;
  // BigInteger(byte[]) takes the coordinate as a signed number; on Java 17 not one such key verified.
  const detail = 'x or y begins with a set bit, which jwks-rsa 0.19 reads as a negative number';
  return error(
    'top-bit',
    detail,
    '`jwksd keys generate --for opencast --compat legacy` makes a key without',
    quote(invalid, `${source} on Java 17, level debug`),
  );
};

/** Keys of one `kid` are tried together, and must then be of one kind. */
const clash = (key: KeyVerdict, all: readonly KeyVerdict[]): KeyVerdict => {
  const other = all.find(
    (each) => each !== key && each.kid !== undefined && each.kid === key.kid && each.alg !== key.alg,
  );
  if (other === undefined || !key.taken) return key;
  const says = quote('Algorithms must be of same class', 'Opencast 18, JWTVerifier');
  return {
    ...key,
    taken: false,
    why: error(
      'duplicate-kid',
      'another key of another alg has the same kid',
      'give each key a kid of its own',
      says,
    ),
  };
};

/** Opencast up to 18, whose library reads with Java's defaults: no limit of time or size. */
export const opencast18: ClientModel = {
  id: 'opencast@18',
  title: 'Opencast 18 and older',
  manner: {
    headers: [
      ['Accept', 'application/json'],
      ['User-Agent', 'Java/17'],
      ['Connection', 'keep-alive'],
    ],
    timeout: 30_000,
    redirects: 20,
    limit: 64 * 1024 * 1024,
  },
  families: new Set(Object.values(algorithms)),
  judge,
  token: opencast18Token,
};
