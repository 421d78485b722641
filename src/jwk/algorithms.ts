/** What an `alg` must fit: a key type with one kind of key, or the curve. */
export type Family =
  'RSA' | 'P-256' | 'P-384' | 'P-521' | 'secp256k1' | 'Ed25519' | 'Ed448' | 'X25519' | 'X448' | MlDsa;

/** The AKP algorithms jwksd knows (RFC 9964); there the `alg` is part of the key. */
export type MlDsa = 'ML-DSA-44' | 'ML-DSA-65' | 'ML-DSA-87';

const agreement: readonly Family[] = ['P-256', 'P-384', 'P-521', 'X25519', 'X448'];

/**
 * The keys each algorithm works with (RFC 7518 §3.1 and §4.1, RFC 8037 §3, RFC 8812 §3.2, RFC 9864, RFC 9964). The
 * symmetric ones and `none` are listed because they contradict every public key.
 */
const families = new Map<string, readonly Family[]>([
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'].map(forRsa),
  ...['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256', 'RSA-OAEP-384', 'RSA-OAEP-512'].map(forRsa),
  ['ES256', ['P-256']],
  ['ES384', ['P-384']],
  ['ES512', ['P-521']],
  ['ES256K', ['secp256k1']],
  ['EdDSA', ['Ed25519', 'Ed448']],
  ['Ed25519', ['Ed25519']],
  ['Ed448', ['Ed448']],
  ['ECDH-ES', agreement],
  ['ECDH-ES+A128KW', agreement],
  ['ECDH-ES+A192KW', agreement],
  ['ECDH-ES+A256KW', agreement],
  ['ML-DSA-44', ['ML-DSA-44']],
  ['ML-DSA-65', ['ML-DSA-65']],
  ['ML-DSA-87', ['ML-DSA-87']],
  ...['none', 'HS256', 'HS384', 'HS512', 'dir', 'A128KW', 'A192KW', 'A256KW'].map(forNone),
  ...['A128GCMKW', 'A192GCMKW', 'A256GCMKW'].map(forNone),
  ...['PBES2-HS256+A128KW', 'PBES2-HS384+A192KW', 'PBES2-HS512+A256KW'].map(forNone),
]);

function forRsa(alg: string): [string, readonly Family[]] {
  return [alg, ['RSA']];
}

function forNone(alg: string): [string, readonly Family[]] {
  return [alg, []];
}

/**
 * Whether `alg` rules the key out. An algorithm jwksd does not know rules out nothing: a provider ahead of this list
 * keeps its good key, and clients skip what they do not know (RFC 7517 §5).
 */
export const contradicts = (alg: string, family: Family): boolean =>
  !(families.get(alg)?.includes(family) ?? true);

/** Whether jwksd knows the algorithm. */
export const isKnownAlg = (alg: string): boolean => families.has(alg);

/** Whether `alg` encrypts or agrees on keys, so that a key with it is not a signature key. */
export const encrypts = (alg: string): boolean => /^(?:RSA1_5$|RSA-OAEP|ECDH-ES)/.test(alg);

/** The one signature algorithm a key of this family is used with; undefined where the key alone does not tell. */
export const signatureAlg: Readonly<Record<Family, string | undefined>> = {
  RSA: undefined,
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  secp256k1: 'ES256K',
  // RFC 9864 names it Ed25519; clients in use know only EdDSA.
  Ed25519: 'EdDSA',
  Ed448: 'EdDSA',
  X25519: undefined,
  X448: undefined,
  'ML-DSA-44': 'ML-DSA-44',
  'ML-DSA-65': 'ML-DSA-65',
  'ML-DSA-87': 'ML-DSA-87',
};
