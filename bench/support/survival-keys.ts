import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose';

/** A key of an identity provider, and tokens it signed. */
export interface Signer {
  readonly kid: string;
  readonly jwk: JWK;
  token(kid?: string): Promise<string>;
}

/** A new ES256 key pair. */
export const makeSigner = async (kid: string): Promise<Signer> => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  return {
    kid,
    jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'ES256' },
    token: async (name = kid) =>
      await new SignJWT({ sub: 'somebody' })
        .setProtectedHeader({ alg: 'ES256', kid: name })
        .setExpirationTime('1h')
        .sign(privateKey),
  };
};

/** Tokens that name keys nobody has. */
export const madeUpTokens = async (signer: Signer, count: number): Promise<readonly string[]> =>
  await Promise.all(Array.from({ length: count }, async () => await signer.token(randomUUID())));

/** A public ML-DSA-65 key as RFC 9964 writes it; its bytes are made up, nothing here verifies with it. */
export const postQuantumJwk = {
  kty: 'AKP',
  kid: 'post-quantum',
  use: 'sig',
  alg: 'ML-DSA-65',
  pub: Buffer.alloc(1952, 7).toString('base64url'),
};
