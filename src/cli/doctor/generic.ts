import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { lintRules } from '../../jwk/lint-rules.ts';
import { lintResponses } from '../lint-response.ts';
import type { Answer, Outcome } from './ask.ts';
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
import { genericToken, joseSource, noMatch } from './generic-token.ts';
import type { ClientModel } from './model.ts';

/** Bytes of a body, decoded, beyond which the doctor stops. */
const limit = 64 * 1024 * 1024;

const next = 'publish it with `jwksd serve`';

const judge = (outcome: Outcome): Judgement => {
  if (!outcome.ok) return takesNothing(noAnswer(outcome));
  const { status, headers } = outcome;
  const expects = quote('Expected 200 OK from the JSON Web Key Set HTTP response', joseSource);
  if (status > 299 && status < 400 && headers['location'] !== undefined)
    return takesNothing(
      error(
        'redirect',
        `the answer is a redirect (${status}), which it does not follow`,
        'configure the URL it leads to',
        expects,
      ),
    );
  if (status !== 200)
    return takesNothing(
      error(
        'status',
        `the answer has status ${status}`,
        'look at the path, and at the log of that server',
        expects,
      ),
    );
  const unreadable = quote('Failed to parse the JSON Web Key Set HTTP response as JSON', joseSource);
  const body = decoded(outcome);
  if (body === undefined || outcome.cut)
    return takesNothing(
      error(
        outcome.cut ? 'cut-off' : 'compressed',
        'the body ends early, or cannot be decoded',
        'look for a proxy in between',
        unreadable,
      ),
    );
  const set = readSet(body, { byteOrderMark: true });
  const verdicts = set.entries.map(judgeEntry);
  if (!set.ok) {
    const says = set.code === 'keys-missing' ? quote('JSON Web Key Set malformed', joseSource) : unreadable;
    return takesNothing(
      error(set.code, set.detail, 'serve a JWK Set: a plain JSON object with "keys"', says),
      verdicts,
    );
  }
  const odd = set.entries.find(({ members }) => members === undefined);
  if (odd !== undefined)
    return takesNothing(
      error(
        'malformed-key',
        `${odd.label}: the entry is not an object, which fails the whole set`,
        next,
        quote('JSON Web Key Set malformed', joseSource),
      ),
      verdicts,
    );
  const keys = withoutAmbiguous(verdicts);
  const notes = [...headerNotes(outcome)];
  if (keys.some((key) => key.taken)) return { keys, notes };
  return {
    keys,
    notes: [...notes, error('no-usable-key', 'the set has no key that verifies signatures', next, noMatch)],
  };
};

const noAnswer = ({ reason, detail }: Exclude<Outcome, { ok: true }>): Note =>
  reason === 'timeout'
    ? error('slow', detail, 'make the server answer faster', quote('request timed out', joseSource))
    : error(
        'unreachable',
        detail,
        'check name, port, firewall and certificate',
        quote('fetch failed', 'Node, fetch'),
      );

const decoded = ({ body, headers }: Answer): Buffer | undefined => {
  const coding = headers['content-encoding'] ?? 'identity';
  try {
    if (coding === 'gzip') return gunzipSync(body, { maxOutputLength: limit });
    if (coding === 'br') return brotliDecompressSync(body, { maxOutputLength: limit });
    if (coding === 'deflate') return inflateSync(body, { maxOutputLength: limit });
    return coding === 'identity' ? body : undefined;
  } catch {
    return undefined;
  }
};

function* headerNotes({ url, status, headers, milliseconds, wall }: Answer): Generator<Note> {
  const type =
    /^[^;]*/u
      .exec(headers['content-type'] ?? '')?.[0]
      .trim()
      .toLowerCase() ?? '';
  if (type !== 'application/jwk-set+json' && type !== 'application/json')
    yield warning(
      'content-type',
      `the content type is ${type === '' ? 'missing' : JSON.stringify(type.slice(0, 64))}`,
      'send application/jwk-set+json (RFC 7517 §8.5.2)',
    );
  // Compression was asked for.
  const response = { url, status, milliseconds, headers: { ...headers, 'content-encoding': 'identity' } };
  for (const { code, detail } of lintResponses([response], { clients: ['generic'], wall }))
    yield warning(code, detail, lintRules[code].help);
  if (headers['access-control-allow-origin'] === undefined)
    yield warning(
      'no-cors',
      'there is no Access-Control-Allow-Origin: code in browsers cannot read the set',
      'send Access-Control-Allow-Origin: *',
    );
}

const judgeEntry = (entry: Entry): KeyVerdict => {
  const why = whyNot(entry);
  return why === undefined ? taken(entry) : { ...taken(entry), taken: why.level === 'warning', why };
};

const usable: ReadonlySet<string | undefined> = new Set(['P-256', 'P-384', 'P-521', 'Ed25519']);

const not = (code: string, detail: string, says = noMatch): Note => error(code, detail, next, says);

const whyNot = (entry: Entry): Note | undefined => {
  const { kty, alg, key, rejection, members, contradictory, isPrivate } = entry;
  if (kty === 'oct') return not('symmetric-key', 'a symmetric key');
  if (isPrivate)
    return not(
      'private-members',
      'the private key is published',
      quote('JSON Web Key Set members must be public keys', joseSource),
    );
  if (has(entry, 'use') && members?.['use'] !== 'sig') return not('not-signature', 'use is not sig');
  const ops = members?.['key_ops'];
  if (ops !== undefined && !(Array.isArray(ops) && ops.includes('verify')))
    return not('not-signature', 'key_ops has no verify');
  if (contradictory) return not('alg-mismatch', `alg ${alg ?? '?'} is not one of this key`);
  if (has(entry, 'alg') && alg === undefined) return not('null-member', 'alg is not a string');
  if (has(entry, 'kid') && entry.kid === undefined)
    return warning(
      'bad-kid',
      'kid is not a string: only a token without kid finds the key',
      'give the key a kid',
    );
  if (key === undefined) {
    const small = rejection?.reason === 'weak_key' && /^RSA with \d/u.test(rejection.detail);
    const says = small
      ? quote('RS256 requires key modulusLength to be 2048 bits or larger', joseSource)
      : inWords('an error of the import when a token names the key', joseSource);
    const code =
      rejection?.reason === 'unsupported_crv'
        ? 'unsupported-crv'
        : rejection?.reason === 'unsupported_kty'
          ? 'unsupported-kty'
          : 'malformed-key';
    return not(
      small ? 'rsa-too-small' : code,
      rejection?.detail ?? 'the key cannot be read',
      code === 'malformed-key' ? says : noMatch,
    );
  }
  if (kty === 'AKP')
    return warning(
      'akp-key',
      'several libraries refuse a whole set with a key of this type',
      'publish it in a set of its own (profile full)',
    );
  return kty === 'RSA' || usable.has(key.jwk.crv)
    ? undefined
    : not('unsupported-crv', `${key.jwk.crv ?? '?'} is rarely known`);
};

/** Two keys that one token fits equally are none. */
const withoutAmbiguous = (keys: readonly KeyVerdict[]): readonly KeyVerdict[] =>
  keys.map((key) => {
    const twin = keys.find(
      (other) =>
        other !== key && other.taken && other.kid === key.kid && key.kid !== undefined && isLike(other, key),
    );
    if (!key.taken || twin === undefined) return key;
    const says = quote('multiple matching keys found in the JSON Web Key Set', joseSource);
    return {
      ...key,
      taken: false,
      why: error(
        'duplicate-kid',
        'another key of the same type has the same kid',
        'give each key a kid of its own',
        says,
      ),
    };
  });

const isLike = (left: KeyVerdict, right: KeyVerdict): boolean =>
  left.kty === right.kty &&
  left.key?.jwk.crv === right.key?.jwk.crv &&
  (left.alg === undefined || right.alg === undefined || left.alg === right.alg);

/** Everybody else: fetches as jose does, from a browser too. */
export const generic: ClientModel = {
  id: 'generic',
  title: 'generic (as jose)',
  manner: {
    headers: [
      ['accept', 'application/json, application/jwk-set+json'],
      ['user-agent', 'jose/v6'],
      ['accept-encoding', 'gzip, deflate, br'],
      ['origin', 'https://doctor.invalid'],
    ],
    timeout: 5000,
    redirects: 0,
    limit,
  },
  families: new Set(['RSA', 'P-256', 'P-384', 'P-521', 'Ed25519', 'AKP']),
  judge,
  token: genericToken,
};
