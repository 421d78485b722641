import {
  constants,
  createHash,
  generateKeyPairSync,
  sign,
  type KeyObject,
  type SignKeyObjectInput,
} from 'node:crypto';
import { expect } from 'vitest';
import type { ProofContext } from '../../../src/tokens/proof/context.ts';
import type { ProofCode, Proved } from '../../../src/tokens/proof/outcome.ts';
import { verifyProof } from '../../../src/tokens/proof/proof.ts';

export type Json = Record<string, unknown>;

/** A key pair that proofs are made with. */
export interface Pair {
  readonly privateKey: KeyObject;
  readonly publicJwk: Json;
  readonly privateJwk: Json;
}

export const pairOf = (pair: { publicKey: KeyObject; privateKey: KeyObject }): Pair => ({
  privateKey: pair.privateKey,
  publicJwk: pair.publicKey.export({ format: 'jwk' }),
  privateJwk: pair.privateKey.export({ format: 'jwk' }),
});

/** One pair of every kind, made once per test file. */
export const pairs = {
  RSA: pairOf(generateKeyPairSync('rsa', { modulusLength: 2048 })),
  'P-256': pairOf(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  'P-384': pairOf(generateKeyPairSync('ec', { namedCurve: 'P-384' })),
  'P-521': pairOf(generateKeyPairSync('ec', { namedCurve: 'P-521' })),
  secp256k1: pairOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })),
  Ed25519: pairOf(generateKeyPairSync('ed25519')),
  Ed448: pairOf(generateKeyPairSync('ed448')),
  X25519: pairOf(generateKeyPairSync('x25519')),
};

/** Every algorithm a proof may have, with its kind of key. */
export const algorithms = [
  ['RS256', 'RSA'],
  ['RS384', 'RSA'],
  ['RS512', 'RSA'],
  ['PS256', 'RSA'],
  ['PS384', 'RSA'],
  ['PS512', 'RSA'],
  ['ES256', 'P-256'],
  ['ES384', 'P-384'],
  ['ES512', 'P-521'],
  ['EdDSA', 'Ed25519'],
  ['Ed25519', 'Ed25519'],
] as const satisfies readonly (readonly [string, keyof typeof pairs])[];

export const now = Date.parse('2026-11-22T12:00:00Z');
export const seconds = now / 1000;
export const accessToken = 'opaque-token-1';
export const ath = createHash('sha256').update(accessToken).digest('base64url');
export const registrationUrl = 'https://keys.example.org/oidc/jwks/clients';

export const strict: ProofContext = {
  mode: 'strict',
  clientId: 'app',
  accessToken,
  registrationUrls: [registrationUrl],
  serviceId: 'https://keys.example.org',
  now,
  nonceRequired: false,
};
export const cas: ProofContext = { ...strict, mode: 'cas' };

/** The claims of a good `register-key+jwt`. */
export const claims: Json = { iss: 'app', aud: registrationUrl, iat: seconds, jti: 'j-1' };

/** Signs as RFC 7518 §3 says, with any key under any name. */
export const signWith = (alg: string, key: KeyObject, input: string): Buffer => {
  const bytes = Buffer.from(input);
  const hash = alg.startsWith('Ed') ? undefined : `sha${alg.slice(2)}`;
  const options: Omit<SignKeyObjectInput, 'key'> = alg.startsWith('PS')
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : { dsaEncoding: 'ieee-p1363' };
  return sign(hash, bytes, { key, ...options });
};

export const b64 = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url');
const textOf = (value: unknown): string | Uint8Array =>
  typeof value === 'string' || value instanceof Uint8Array ? value : JSON.stringify(value);

/** What is unusual about a proof; the rest is as it should be. */
export interface Oddity {
  readonly kind?: keyof typeof pairs;
  readonly pair?: Pair;
  readonly alg?: string;
  /** What signs, where it is not `alg`. */
  readonly signAlg?: string;
  readonly signer?: KeyObject;
  /** Added to the header, or the whole of it as text. */
  readonly header?: Json | string | Uint8Array;
  readonly jwk?: unknown;
  /** Added to the claims, or the whole payload as text. */
  readonly payload?: Json | string | Uint8Array;
}

/** A compact JWS that says what it is told to, properly signed by default. */
export const makeProof = (odd: Oddity = {}): string => {
  const pair = odd.pair ?? pairs[odd.kind ?? 'P-256'];
  const alg = odd.alg ?? 'ES256';
  const { header = {}, payload = {} } = odd;
  const jwk = 'jwk' in odd ? odd.jwk : pair.publicJwk;
  const head =
    typeof header === 'string' || header instanceof Uint8Array
      ? header
      : { alg, typ: 'register-key+jwt', jwk, ...header };
  const body =
    typeof payload === 'string' || payload instanceof Uint8Array ? payload : { ...claims, ...payload };
  const input = `${b64(textOf(head))}.${b64(textOf(body))}`;
  return `${input}.${b64(signWith(odd.signAlg ?? alg, odd.signer ?? pair.privateKey, input))}`;
};

/** The code a proof is refused with; `ok` for one that is not. */
export const codeOf = async (proof: unknown, context: ProofContext = strict): Promise<ProofCode | 'ok'> => {
  const outcome = await verifyProof(proof, context);
  if (outcome.ok) return 'ok';
  expect(outcome.description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]{5,200}$/);
  return outcome.code;
};

export const proved = async (proof: unknown, context: ProofContext = strict): Promise<Proved> => {
  const outcome = await verifyProof(proof, context);
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.description}`);
  return outcome;
};

/** Every text and number anywhere in the private members of a pair. */
export const secretsOf = ({ privateJwk, publicJwk }: Pair): readonly string[] =>
  Object.entries(privateJwk).flatMap(([name, value]) =>
    name in publicJwk || typeof value !== 'string' ? [] : [value],
  );
