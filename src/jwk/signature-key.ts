import { encrypts, type Family } from './algorithms.ts';
import type { Key } from './key.ts';

/** Whether a key may verify signatures: `use`, `key_ops` and `alg` say so or are silent (RFC 7517 §4.2, §4.3). */
export const isSignatureKey = ({ jwk }: Pick<Key, 'jwk'>): boolean =>
  (jwk.use === undefined || jwk.use === 'sig') &&
  (jwk.key_ops === undefined || jwk.key_ops.includes('verify')) &&
  (jwk.alg === undefined || !encrypts(jwk.alg));

/** The family of a key: what an algorithm must fit. */
export const familyOf = ({ jwk }: Pick<Key, 'jwk'>): Family => {
  // Admission has seen to it that the member that tells is there and known.
  const family = jwk.kty === 'RSA' ? 'RSA' : jwk.kty === 'AKP' ? jwk.alg : jwk.crv;
  return family as Family;
};
