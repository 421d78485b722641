/** The types of key a pair can be of, as `kty` names them. */
export type PairType = 'EC' | 'RSA' | 'OKP' | 'AKP';

/** The algorithms a pair can be made for, and the type of key each works with (RFC 7518 §3.1, RFC 8037, RFC 9864, RFC 9964). */
export const algorithmTypes: Readonly<Record<string, PairType>> = {
  ES256: 'EC',
  ES384: 'EC',
  ES512: 'EC',
  RS256: 'RSA',
  RS384: 'RSA',
  RS512: 'RSA',
  PS256: 'RSA',
  PS384: 'RSA',
  PS512: 'RSA',
  EdDSA: 'OKP',
  Ed25519: 'OKP',
  'ML-DSA-44': 'AKP',
  'ML-DSA-65': 'AKP',
  'ML-DSA-87': 'AKP',
};

/** The clients `keys generate --for` knows. */
export const clientNames = ['moodle', 'opencast', 'tobira', 'jitsi'] as const;

/** One of {@link clientNames}. */
export type ClientName = (typeof clientNames)[number];

/** The forms `keys convert --to` writes. */
export const formatNames = ['jwk', 'jwks', 'spki', 'pkcs8', 'pkcs1', 'sec1'] as const;

/** One of {@link formatNames}. */
export type FormatName = (typeof formatNames)[number];
