import { createHash, generateKeyPair, type JsonWebKey, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, SignJWT } from 'jose';

const generate = promisify(generateKeyPair);

/** Somebody who signs tokens, with a key pair of their own. */
export interface Signer {
  readonly kid: string;
  readonly alg: string;
  /** The public key as a provider would publish it: with `kid`, `use` and `alg`. */
  readonly jwk: JsonWebKey & { readonly kid: string };
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  /** A signed token with these claims, valid for a minute. */
  token(claims?: Readonly<Record<string, unknown>>): Promise<string>;
}

const pairs: Readonly<Record<string, () => Promise<{ publicKey: KeyObject; privateKey: KeyObject }>>> = {
  RS256: async () => await generate('rsa', { modulusLength: 2048 }),
  ES256: async () => await generate('ec', { namedCurve: 'P-256' }),
  EdDSA: async () => await generate('ed25519'),
};

/** Makes a signer; `kid` is the thumbprint unless given. */
export const makeSigner = async (alg = 'ES256', kid?: string): Promise<Signer> => {
  const { publicKey, privateKey } = await pairs[alg]!();
  const bare = publicKey.export({ format: 'jwk' });
  const name = kid ?? (await calculateJwkThumbprint(bare));
  return {
    kid: name,
    alg,
    jwk: { ...bare, kid: name, use: 'sig', alg },
    publicKey,
    privateKey,
    token: async (claims = { sub: 'somebody' }) =>
      await new SignJWT(claims)
        .setProtectedHeader({ alg, kid: name, typ: 'JWT' })
        .setExpirationTime('1m')
        .sign(privateKey),
  };
};

/** A JWK Set of these signers' public keys. */
export const setOf = (...signers: readonly Signer[]): { keys: object[] } => ({
  keys: signers.map(({ jwk }) => jwk),
});

/** Jitsi's name for a kid, computed without jwksd's code. */
export const digestOf = (kid: string): string => createHash('sha256').update(kid).digest('hex');
