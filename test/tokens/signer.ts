import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { Key } from '../../src/jwk/key.ts';
import { admitted, type Jwk } from '../fakes/keys.ts';

/** A key pair that signs whatever a test wants, right or wrong. Made without anything of `src/tokens`. */
export interface Signer {
  readonly alg: string;
  readonly key: Key;
  readonly publicJwk: Jwk;
  readonly privateKey: KeyObject;
  /** A compact JWS; the header is as given, after `alg` and `kid`. */
  token(claims: unknown, header?: Record<string, unknown>): string;
}

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const makers: Record<string, () => { publicKey: KeyObject; privateKey: KeyObject }> = {
  RS: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
  Ed25519: () => generateKeyPairSync('ed25519'),
  Ed448: () => generateKeyPairSync('ed448'),
};

const rawSign = (alg: string, key: KeyObject, data: Buffer): Buffer => {
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith('ES')) return sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
  if (alg.startsWith('PS'))
    return sign(hash, data, { key, padding: 6, saltLength: Number(alg.slice(2)) / 8 });
  return sign(alg.startsWith('RS') ? hash : undefined, data, key);
};

/** A compact JWS with this header, whatever it says, signed as `alg` wants it. */
export const signedAs = (alg: string, privateKey: KeyObject, header: unknown, claims: unknown): string => {
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${rawSign(alg, privateKey, Buffer.from(signed)).toString('base64url')}`;
};

/** A signer of `alg`; `members` change the published JWK (`undefined` removes one). */
export const signer = (alg: string, kid: string, members: Jwk = {}): Signer => {
  const { publicKey, privateKey } = (makers[alg] ?? makers[alg.slice(0, 2)])!();
  const all: Jwk = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg, ...members };
  const publicJwk = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return {
    alg,
    key: admitted(publicJwk),
    publicJwk,
    privateKey,
    token: (claims, header = {}) => signedAs(alg, privateKey, { alg, kid, ...header }, claims),
  };
};
