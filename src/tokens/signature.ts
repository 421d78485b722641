import {
  constants,
  createPublicKey,
  sign,
  verify,
  type JsonWebKey,
  type KeyObject,
  type SignKeyObjectInput,
  type VerifyKeyObjectInput,
} from 'node:crypto';
import { promisify } from 'node:util';
import { contradicts } from '../jwk/algorithms.ts';
import type { Key } from '../jwk/key.ts';
import { familyOf } from '../jwk/signature-key.ts';
import type { CompactJws } from './jws.ts';

interface Algorithm {
  /** Digest by OpenSSL's name; undefined where the scheme brings its own. */
  readonly hash: string | undefined;
  readonly options: Omit<VerifyKeyObjectInput, 'key'>;
  /** Bytes of a signature, where Node would take another length or another encoding. */
  readonly size?: number;
}

const pkcs1 = (hash: string): Algorithm => ({ hash, options: { padding: constants.RSA_PKCS1_PADDING } });
const pss = (hash: string): Algorithm => ({
  hash,
  // RFC 7518 §3.5: the salt is as long as the hash, and no other length is taken.
  options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
});
/** RFC 7518 §3.4: r and s in full length one after the other, never DER. */
const ecdsa = (hash: string, size: number): Algorithm => ({
  hash,
  options: { dsaEncoding: 'ieee-p1363' },
  size,
});
const eddsa: Algorithm = { hash: undefined, options: {} };
const mlDsa: Algorithm = eddsa;

const algorithms = new Map<string, Algorithm>([
  ['RS256', pkcs1('sha256')],
  ['RS384', pkcs1('sha384')],
  ['RS512', pkcs1('sha512')],
  ['PS256', pss('sha256')],
  ['PS384', pss('sha384')],
  ['PS512', pss('sha512')],
  ['ES256', ecdsa('sha256', 64)],
  ['ES384', ecdsa('sha384', 96)],
  ['ES512', ecdsa('sha512', 132)],
  ['EdDSA', eddsa],
  ['Ed25519', eddsa],
  ['Ed448', eddsa],
  ['ML-DSA-44', mlDsa],
  ['ML-DSA-65', mlDsa],
  ['ML-DSA-87', mlDsa],
]);

/**
 * The algorithms {@link verifySignature} knows (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2, RFC 9964 §3). ML-DSA needs
 * a runtime that has it; without one no such signature is verified.
 */
export const signatureAlgorithms: readonly string[] = [...algorithms.keys()];

/** Whether a key can be used with an algorithm {@link verifySignature} knows; what the key says of its own use is not asked. */
export const fits = (key: Key, alg: string): boolean =>
  algorithms.has(alg) && !contradicts(alg, familyOf(key));

/** Whether a key that is only for `pinned` is one for `alg`: `EdDSA` is another name of both of its curves (RFC 9864 §2.2). */
export const sameAlgorithm = (alg: string, pinned: string, family: string): boolean =>
  alg === pinned ||
  (family.startsWith('Ed') && [alg, pinned].every((name) => name === 'EdDSA' || name === family));

const keyObjects = new WeakMap<Key, KeyObject>();

/** The key as OpenSSL knows it, made once for as long as the key lives. */
const keyObjectOf = (key: Key): KeyObject => {
  let object = keyObjects.get(key);
  if (object === undefined) {
    object = createPublicKey({ key: key.jwk as JsonWebKey, format: 'jwk' });
    keyObjects.set(key, object);
  }
  return object;
};

const verifyOnPool = promisify<string | undefined, Buffer, VerifyKeyObjectInput, Buffer, boolean>(verify);

/**
 * Whether `key` made the signature with `alg`, which is never guessed from the JWS: the caller decided that it is allowed.
 *
 * False, and never an exception, for an algorithm that is not known or does not go with the key, and for a signature
 * in any form but the one RFC 7518 §3 and RFC 8037 §3.1 define. Computed on the thread pool, whatever the algorithm:
 * callers that have nothing else to wait for would otherwise keep the event loop to themselves.
 */
export const verifySignature = async (
  key: Key,
  alg: string,
  { signingInput, signature }: Pick<CompactJws, 'signingInput' | 'signature'>,
): Promise<boolean> => {
  const algorithm = algorithms.get(alg);
  if (algorithm === undefined || !fits(key, alg)) return false;
  if (algorithm.size !== undefined && signature.length !== algorithm.size) return false;
  try {
    const input = { key: keyObjectOf(key), ...algorithm.options };
    return await verifyOnPool(algorithm.hash, signingInput, input, signature);
  } catch {
    // OpenSSL throws for some signatures no key can have made.
    return false;
  }
};

const signOnPool = promisify<string | undefined, Buffer, SignKeyObjectInput, Buffer>(sign);

/** Signs with a private key that fits `alg`, in the form the JWS algorithm defines. Rejects when the key does not fit. */
export const signWith = async (privateKey: KeyObject, alg: string, signingInput: Buffer): Promise<Buffer> => {
  const algorithm = algorithms.get(alg);
  if (algorithm === undefined) throw new Error(`no signature algorithm ${alg}`);
  return await signOnPool(algorithm.hash, signingInput, { key: privateKey, ...algorithm.options });
};
