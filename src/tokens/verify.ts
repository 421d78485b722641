import { createPublicKey, verify, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { contradicts } from '../jwk/algorithms.ts';
import { excerpt } from '../jwk/excerpt.ts';
import type { Key } from '../jwk/key.ts';
import { familyOf, isSignatureKey } from '../jwk/signature-key.ts';
import { cryptoKey, sameAlgorithm, signatureAlgorithm, type SignatureAlgorithm } from './algorithms.ts';
import { parseJws, type JsonObject, type Jws } from './jws.ts';
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
  readonly header: JsonObject;
  readonly claims: JsonObject;
  readonly key: Key;
}

/** A token that must not be believed, and why. */
export interface Refuted {
  readonly valid: false;
  readonly reason: InvalidReason;
  /** One sentence that names the next step; holds nothing of the token but `alg` and `kid`, cut to 64 characters. */
  readonly detail: string;
  /** The header, where it could be read. Nobody vouches for it. */
  readonly header?: JsonObject;
  /** Only when the signature is good and a date is not. */
  readonly claims?: JsonObject;
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
  const jws = parseJws(token, options.maxBytes);
  if ('reason' in jws) return { valid: false, ...jws };
  const { header, claims } = jws;
  const judged = judgeHeader(header, options.algorithms);
  if ('reason' in judged) return { valid: false, ...judged, header };
  const chosen = chooseKeys(judged, keys, options.tryOtherKids === true);
  if ('reason' in chosen) return { valid: false, ...chosen, header };
  const key = await findSigner(jws, judged, chosen);
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
  readonly algorithm: SignatureAlgorithm;
  readonly kid: string | undefined;
  readonly allowed: readonly string[] | undefined;
}

const quoted = (text: unknown): string => JSON.stringify(excerpt(text) ?? '');

function judgeHeader(header: JsonObject, allowed: readonly string[] | undefined): Asked | Problem {
  const { alg, kid } = header;
  if (typeof alg !== 'string') {
    return { reason: 'malformed', detail: 'the header has no alg, or one that is not a string' };
  }
  if (Object.hasOwn(header, 'kid') && typeof kid !== 'string') {
    return { reason: 'malformed', detail: 'the kid in the header is not a string (RFC 7515 §4.1.4)' };
  }
  // RFC 7515 §4.1.11: jwksd understands no extension, and an empty list is not allowed either.
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) {
    const detail = 'the header asks for an extension (crit, b64) jwksd does not have; sign without it';
    return { reason: 'unsupported_crit', detail };
  }
  const algorithm = signatureAlgorithm(alg);
  if (algorithm === undefined) {
    const detail = `alg ${quoted(alg)} is never accepted; sign with an asymmetric algorithm such as ES256`;
    return { reason: 'alg_refused', detail };
  }
  if (allowed !== undefined && !allowed.some((name) => isAllowed(alg, name))) {
    const detail = `alg ${alg} is not among the algorithms allowed here; sign with ${allowed.join(' or ')}`;
    return { reason: 'alg_refused', detail };
  }
  return { alg, algorithm, kid: typeof kid === 'string' ? kid : undefined, allowed };
}

/** `EdDSA` on a list allows both curves; the name of either allows `EdDSA`, for keys of that curve. */
const isAllowed = (alg: string, name: string): boolean =>
  sameAlgorithm(alg, name, 'Ed25519') || sameAlgorithm(alg, name, 'Ed448');

/** Whether a token of this `alg` may be signed with the key, which also narrows `EdDSA` to its own curve. */
const fits = (key: Key, { alg, allowed }: Asked): boolean => {
  const family = familyOf(key);
  if (allowed?.some((name) => sameAlgorithm(alg, name, family)) === false) return false;
  const pinned = key.jwk.alg;
  return pinned === undefined ? !contradicts(alg, family) : sameAlgorithm(alg, pinned, family);
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
  const fitting = [...named, ...rest].filter((key) => fits(key, asked));
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

async function findSigner(jws: Jws, { algorithm }: Asked, keys: readonly Key[]): Promise<Key | undefined> {
  if (algorithm.length !== undefined && jws.signature.length !== algorithm.length) return undefined;
  for (const key of keys) {
    const publicKey = publicKeyOf(key);
    if (publicKey !== undefined && (await isSigned(jws, algorithm, publicKey))) return key;
  }
  return undefined;
}

/** Undefined: this runtime does not know the type of the key. */
const publicKeys = new WeakMap<Key, { readonly publicKey: KeyObject | undefined }>();

function publicKeyOf(key: Key): KeyObject | undefined {
  let known = publicKeys.get(key);
  if (known === undefined) {
    known = { publicKey: importKey(key) };
    publicKeys.set(key, known);
  }
  return known.publicKey;
}

function importKey(key: Key): KeyObject | undefined {
  try {
    return createPublicKey({ key: key.jwk as JsonWebKey, format: 'jwk' });
  } catch {
    return undefined;
  }
}

const isSigned = async (
  { signed, signature }: Jws,
  algorithm: SignatureAlgorithm,
  key: KeyObject,
): Promise<boolean> =>
  await new Promise((resolve) => {
    try {
      // An error is a signature that cannot be one of this key.
      verify(algorithm.hash, signed, cryptoKey(key, algorithm), signature, (error, good) => {
        resolve(error === null && good);
      });
    } catch {
      resolve(false);
    }
  });
