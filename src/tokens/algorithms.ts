import type { KeyObject, SignKeyObjectInput } from 'node:crypto';
import { constants } from 'node:crypto';
import type { Family } from '../jwk/algorithms.ts';

/** How a signature algorithm is computed. */
export interface SignatureAlgorithm {
  /** As OpenSSL names it; absent where the algorithm hashes by itself. */
  readonly hash: string | undefined;
  /** The one length a signature can have, in bytes; absent where the key decides it. */
  readonly length: number | undefined;
  /** Whether the RSA padding is PSS. */
  readonly pss: boolean;
}

const of = (hash: string | undefined, length?: number, pss = false): SignatureAlgorithm => ({
  hash,
  length,
  pss,
});

/**
 * Every algorithm a token can be signed with (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864, RFC 9964). `none` and the HMAC
 * algorithms are absent, so no option can let them in.
 */
const algorithms: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['RS256', of('sha256')],
  ['RS384', of('sha384')],
  ['RS512', of('sha512')],
  ['PS256', of('sha256', undefined, true)],
  ['PS384', of('sha384', undefined, true)],
  ['PS512', of('sha512', undefined, true)],
  ['ES256', of('sha256', 64)],
  ['ES384', of('sha384', 96)],
  ['ES512', of('sha512', 132)],
  // Ed25519 and Ed448 differ in length; OpenSSL takes none but the right one.
  ['EdDSA', of(undefined)],
  ['Ed25519', of(undefined, 64)],
  ['Ed448', of(undefined, 114)],
  ['ML-DSA-44', of(undefined)],
  ['ML-DSA-65', of(undefined)],
  ['ML-DSA-87', of(undefined)],
]);

/** The algorithm of this name; undefined for `none`, HMAC and what jwksd does not know. */
export const signatureAlgorithm = (alg: string): SignatureAlgorithm | undefined => algorithms.get(alg);

/** Whether a key that is only for `pinned` is one for `alg`: `EdDSA` and its two full names are one (RFC 9864 §2.2). */
export const sameAlgorithm = (alg: string, pinned: string, family: Family): boolean =>
  alg === pinned ||
  (alg === 'EdDSA' && pinned === family && pinned.startsWith('Ed')) ||
  (pinned === 'EdDSA' && alg === family && alg.startsWith('Ed'));

/** A key with what node:crypto must know to sign or verify with it as JWS wants it. */
export const cryptoKey = (key: KeyObject, { pss }: SignatureAlgorithm): KeyObject | SignKeyObjectInput => {
  if (key.asymmetricKeyType === 'ec') return { key, dsaEncoding: 'ieee-p1363' };
  if (key.asymmetricKeyType !== 'rsa') return key;
  if (!pss) return { key, padding: constants.RSA_PKCS1_PADDING };
  // RFC 7518 §3.5: the salt is as long as the hash, and no other length is taken.
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
};
