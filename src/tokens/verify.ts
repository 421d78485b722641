import type { Clock } from '../clock.ts';
import { excerpt } from '../jwk/excerpt.ts';
import type { Key } from '../jwk/key.ts';
import { familyOf, isSignatureKey } from '../jwk/signature-key.ts';
import { readObject, type Members } from './json-object.ts';
import { parseCompactJws, type CompactJws, type ParsedJws } from './jws.ts';
import { fits, sameAlgorithm, signatureAlgorithms, verifySignature } from './signature.ts';
import { judgeTimes } from './times.ts';

/** How strict a verification is, and what time it is. */
export interface VerifyOptions {
  readonly clock: Pick<Clock, 'wall'>;
  /** The algorithms a token may name; all that fit a key unless given. `none` and HMAC are never among them. */
  readonly algorithms?: readonly string[] | undefined;
  /** Whether keys of another name are tried after those the token's `kid` names. */
  readonly tryOtherKids?: boolean | undefined;
  /** Seconds the clocks of signer and verifier may be apart; 0 unless given. */
  readonly clockSkew?: number | undefined;
  /** Whether a token without `exp` is taken; it is not unless given. */
  readonly allowNoExp?: boolean | undefined;
  /** Longest token that is looked at, in bytes; 16 KiB unless given. */
  readonly maxBytes?: number | undefined;
}

/** Why a token is not valid, by its stable code. */
export type InvalidReason =
  | 'too_large'
  | 'malformed'
  | 'unsupported_crit'
  | 'alg_refused'
  | 'no_keys'
  | 'unknown_kid'
  | 'alg_mismatch'
  | 'bad_signature'
  | 'bad_claim'
  | 'no_exp'
  | 'expired'
  | 'not_yet_valid';

/** A token whose signature was made by `key` and whose dates are good. */
export interface Verified {
  readonly valid: true;
  readonly header: Members;
  readonly claims: Members;
  readonly key: Key;
}

/** A token that must not be believed, and why. */
export interface Refuted {
  readonly valid: false;
  readonly reason: InvalidReason;
  /** One sentence that names the next step; holds nothing of the token but `alg` and `kid`, cut to 64 characters. */
  readonly detail: string;
  /** The header, where it could be read. Nobody vouches for it. */
  readonly header?: Members;
  /** Only when the signature is good and a date is not. */
  readonly claims?: Members;
  /** The key that verifies the signature, when a date is what is wrong. */
  readonly key?: Key;
}

/** What became of a token. */
export type Verification = Verified | Refuted;

/**
 * Verifies the signature of a compact JWS with one of `keys` and validates its dates. The only place that does.
 *
 * A key works with the algorithm it names, else with those of its type (RFC 8725 §3.1); the token's header chooses among
 * these and can name no key, no URL and no algorithm of its own. Keys of the token's `kid` are tried first, then, where
 * the options allow it, the others in their order; a token without `kid` is tried with all. Who may have signed is not
 * asked: `keys` are those of one issuer. Never rejects, whatever the token is. Signatures are computed on the thread
 * pool, so the event loop stays free.
 */
export const verifyToken = async (
  token: string,
  keys: readonly Key[],
  options: VerifyOptions,
): Promise<Verification> => {
  const parsed = parseCompactJws(token, options.maxBytes ?? longestToken);
  if (!parsed.ok) return { valid: false, ...unreadable(parsed) };
  const { jws } = parsed;
  const payload = readObject(jws.payload);
  if (!payload.ok) {
    const problem = payload.reason === 'deep' ? tooDeep : malformed(payloadProblem[payload.reason]);
    return { valid: false, ...problem, header: jws.header };
  }
  return await verifyRead({ jws, claims: payload.members }, keys, options);
};

/** A token that was taken apart, and of which nothing is verified. */
export interface ReadToken {
  readonly jws: CompactJws;
  readonly claims: Members;
}

/** The rest of {@link verifyToken}, for who had to look into the token to know whose keys to verify it with. */
export const verifyRead = async (
  { jws, claims }: ReadToken,
  keys: readonly Key[],
  options: Omit<VerifyOptions, 'maxBytes'>,
): Promise<Verification> => {
  const { header } = jws;
  const judged = judgeHeader(jws, options.algorithms);
  if ('reason' in judged) return { valid: false, ...judged, header };
  const chosen = chooseKeys(judged, keys, options.tryOtherKids === true);
  if ('reason' in chosen) return { valid: false, ...chosen, header };
  const key = await findSigner(jws, chosen);
  if (key === undefined) return { valid: false, ...noSigner(judged, chosen), header };
  const problem = judgeTimes(claims, {
    now: options.clock.wall() / 1000,
    clockSkew: options.clockSkew ?? 0,
    allowNoExp: options.allowNoExp === true,
  });
  if (problem !== undefined) return { valid: false, ...problem, header, claims, key };
  return { valid: true, header, claims, key };
};

interface Problem {
  readonly reason: InvalidReason;
  readonly detail: string;
}

/** What the header asks for, once it is known to be sane. */
interface Asked {
  readonly alg: string;
  readonly kid: string | undefined;
  readonly allowed: readonly string[] | undefined;
}

const quoted = (text: unknown): string => JSON.stringify(excerpt(text) ?? '');

/** Longest token that is looked at unless the options say otherwise, in bytes. */
export const longestToken = 16_384;

const malformed = (what: string): Problem => ({
  reason: 'malformed',
  detail: `the token is not a signed JWT: ${what}; check that it was copied whole`,
});

const payloadProblem = {
  other: 'its payload is not a JSON object',
  repeated: 'a member of its payload is repeated',
} as const;

const tooDeep: Problem = {
  ...malformed(''),
  detail: 'the token is not read: its payload nests deeper than 64 levels; make its claims flatter',
};

const unreadable = ({ problem, detail }: Extract<ParsedJws, { ok: false }>): Problem =>
  problem === 'too_large'
    ? { reason: problem, detail: `the token is not looked at: ${detail}; have the signer put less into it` }
    : malformed(detail);

function judgeHeader({ header, alg }: CompactJws, allowed: readonly string[] | undefined): Asked | Problem {
  const { kid } = header;
  if (kid !== undefined && typeof kid !== 'string') return malformed('the kid in its header is not a string');
  // RFC 7515 §4.1.11: jwksd understands no extension, and an empty list is not allowed either.
  if (header['crit'] !== undefined || header['b64'] !== undefined) {
    const detail = 'the header asks for an extension (crit, b64) jwksd does not have; sign without it';
    return { reason: 'unsupported_crit', detail };
  }
  if (!signatureAlgorithms.includes(alg)) {
    const detail = `alg ${quoted(alg)} is never accepted; sign with an asymmetric algorithm such as ES256`;
    return { reason: 'alg_refused', detail };
  }
  if (allowed !== undefined && !allowed.some((name) => isAllowed(alg, name))) {
    const detail = `alg ${alg} is not among the algorithms allowed here; sign with ${allowed.join(' or ')}`;
    return { reason: 'alg_refused', detail };
  }
  return { alg, kid, allowed };
}

/** `EdDSA` on a list allows both curves; the name of either allows `EdDSA`, for keys of that curve. */
const isAllowed = (alg: string, name: string): boolean =>
  sameAlgorithm(alg, name, 'Ed25519') || sameAlgorithm(alg, name, 'Ed448');

/** Whether a token of this `alg` may be signed with the key, which also narrows `EdDSA` to its own curve. */
const isFor = (key: Key, { alg, allowed }: Asked): boolean => {
  const family = familyOf(key);
  if (allowed?.some((name) => sameAlgorithm(alg, name, family)) === false) return false;
  const pinned = key.jwk.alg;
  return fits(key, alg) && (pinned === undefined || sameAlgorithm(alg, pinned, family));
};

/** The keys that may have signed, those of the token's `kid` first. Never empty. */
function chooseKeys(asked: Asked, all: readonly Key[], others: boolean): readonly Key[] | Problem {
  const { alg, kid } = asked;
  const keys = all.filter(isSignatureKey);
  if (keys.length === 0) {
    return { reason: 'no_keys', detail: 'there is no signature key to verify with; look at the JWK Set' };
  }
  const named = kid === undefined ? keys : keys.filter((key) => key.jwk.kid === kid);
  if (named.length === 0 && !others) {
    const detail = `no key has the kid ${quoted(kid)}; publish the signer's key, or sign with a kid of this set`;
    return { reason: 'unknown_kid', detail };
  }
  const rest = others ? keys.filter((key) => !named.includes(key)) : [];
  const fitting = [...named, ...rest].filter((key) => isFor(key, asked));
  if (fitting.length > 0) return fitting;
  const [first] = named.length > 0 ? named : keys;
  return { reason: 'alg_mismatch', detail: mismatch(alg, first, kid !== undefined && named.length > 0) };
}

const mismatch = (alg: string, key: Key | undefined, byName: boolean): string => {
  const wanted = key?.jwk.alg ?? key?.jwk.crv ?? key?.jwk.kty ?? '';
  return byName
    ? `the token says alg ${alg}, but the key of its kid is for ${wanted}; sign with ${wanted}`
    : `no key is for alg ${alg}; sign with the algorithm of a key in the set, such as ${wanted}`;
};

const noSigner = ({ kid }: Asked, tried: readonly Key[]): Problem => {
  const which =
    kid !== undefined && tried.every((key) => key.jwk.kid === kid)
      ? `the key of kid ${quoted(kid)} does not verify the signature`
      : `none of the ${tried.length} keys that fit verifies the signature`;
  return {
    reason: 'bad_signature',
    detail: `${which}; the signer has another private key, or the token was changed`,
  };
};

async function findSigner(jws: CompactJws, keys: readonly Key[]): Promise<Key | undefined> {
  for (const key of keys) {
    if (await verifySignature(key, jws.alg, jws)) return key;
  }
  return undefined;
}
