import { hash } from 'node:crypto';
import type { Kty, PublicJwk } from './key.ts';

/** The members that are hashed, in the order RFC 7638 §3 asks for (RFC 7638 §3.2, RFC 8037 §2, RFC 9964). */
const requiredMembers: Readonly<Record<Kty, readonly (keyof PublicJwk)[]>> = {
  RSA: ['e', 'kty', 'n'],
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  AKP: ['alg', 'kty', 'pub'],
};

/**
 * Names a key by its material: base64url SHA-256 of the required members, RFC 7638.
 *
 * Meaningful only for the canonical form of a key; two spellings of one number hash differently.
 */
export const thumbprint = (jwk: PublicJwk): string =>
  hash(
    'sha256',
    // Canonical members are plain text, so this is what JSON.stringify writes, several times faster than with a list of names.
    `{${requiredMembers[jwk.kty].map((name) => `"${name}":${JSON.stringify(jwk[name])}`).join(',')}}`,
    'base64url',
  );
