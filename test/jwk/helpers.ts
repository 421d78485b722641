import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { admitJwk } from '../../src/jwk/admit.ts';
import type { AdmitOptions, Key, Rejection } from '../../src/jwk/key.ts';

/** A JWK as a test writes it: any member, any value. */
export type Jwk = Record<string, unknown>;

export const upstream: AdmitOptions = { origin: 'upstream' };

export const admitted = (entry: unknown, options: AdmitOptions = upstream): Key => {
  const admission = admitJwk(entry, options);
  if (!admission.ok) throw new Error(`${admission.rejection.reason}: ${admission.rejection.detail}`);
  return admission.key;
};

export const rejected = (entry: unknown, options: AdmitOptions = upstream): Rejection => {
  const admission = admitJwk(entry, options);
  if (admission.ok) throw new Error(`admitted: ${admission.key.json}`);
  return admission.rejection;
};

export const warningsOf = (entry: unknown, options: AdmitOptions = upstream): readonly string[] => {
  const admission = admitJwk(entry, options);
  if (!admission.ok) throw new Error(admission.rejection.detail);
  return admission.warnings.map((warning) => warning.code);
};

const exported = (pair: {
  publicKey: { export(o: { format: 'jwk' }): JsonWebKey };
  privateKey: typeof pair.publicKey;
}) => ({
  publicJwk: pair.publicKey.export({ format: 'jwk' }) as Jwk,
  privateJwk: pair.privateKey.export({ format: 'jwk' }) as Jwk,
});

/** One key pair of every kind that Node 20 can make, made once. */
export const pairs = {
  RSA: exported(generateKeyPairSync('rsa', { modulusLength: 2048 })),
  'P-256': exported(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  'P-384': exported(generateKeyPairSync('ec', { namedCurve: 'P-384' })),
  'P-521': exported(generateKeyPairSync('ec', { namedCurve: 'P-521' })),
  secp256k1: exported(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })),
  Ed25519: exported(generateKeyPairSync('ed25519')),
  Ed448: exported(generateKeyPairSync('ed448')),
  X25519: exported(generateKeyPairSync('x25519')),
  X448: exported(generateKeyPairSync('x448')),
};

export const bytesOf = (text: unknown): Buffer => Buffer.from(String(text), 'base64url');

/** A number in little-endian base64url, as Edwards curves spell `y`. */
export const littleEndian = (value: bigint, size: number): string =>
  Buffer.from(Buffer.from(value.toString(16).padStart(size * 2, '0'), 'hex').toReversed()).toString(
    'base64url',
  );

/** A number in big-endian base64url, as RSA spells `n` and `e`. */
export const bigEndian = (value: bigint): string => {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
};
