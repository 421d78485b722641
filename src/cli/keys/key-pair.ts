import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { JwksdError } from '../../errors.ts';
import { admitJwk } from '../../jwk/admit.ts';
import type { Key } from '../../jwk/key.ts';

/** A key pair for signing: the private half as PKCS#8 PEM, the public half admitted and complete. */
export interface SigningPair {
  readonly privatePem: string;
  readonly key: Key;
}

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const generate = {
  ec: promisify(generateKeyPair) as (type: 'ec', options: { namedCurve: string }) => Promise<Pair>,
  rsa: promisify(generateKeyPair) as (type: 'rsa', options: { modulusLength: number }) => Promise<Pair>,
  ed25519: promisify(generateKeyPair) as (type: 'ed25519', options: undefined) => Promise<Pair>,
};

const rsa = async (bits: number): Promise<Pair> => await generate.rsa('rsa', { modulusLength: bits });

/** The algorithms a pair can be made for (RFC 7518 §3.1, RFC 8037 §3.1). */
const algorithms: Readonly<Record<string, (bits: number) => Promise<Pair>>> = {
  ES256: async () => await generate.ec('ec', { namedCurve: 'P-256' }),
  ES384: async () => await generate.ec('ec', { namedCurve: 'P-384' }),
  ES512: async () => await generate.ec('ec', { namedCurve: 'P-521' }),
  RS256: rsa,
  RS384: rsa,
  RS512: rsa,
  PS256: rsa,
  PS384: rsa,
  PS512: rsa,
  EdDSA: async () => await generate.ed25519('ed25519', undefined),
};

/** Names of the algorithms {@link createSigningPair} takes. */
export const signingAlgorithms: readonly string[] = Object.keys(algorithms);

/**
 * Makes a key pair for `alg`; `bits` matters for RSA only, `kid` is the thumbprint unless given.
 *
 * @throws {JwksdError} `usage` for an unknown algorithm, a size outside 2048 to 8192, or a `kid` no client would take.
 */
export const createSigningPair = async (alg: string, bits: number, kid?: string): Promise<SigningPair> => {
  const make = Object.hasOwn(algorithms, alg) ? algorithms[alg] : undefined;
  if (make === undefined) {
    throw new JwksdError('usage', `--alg ${alg} is not one of ${signingAlgorithms.join(', ')}`);
  }
  if (!Number.isInteger(bits) || bits < 2048 || bits > 8192) {
    throw new JwksdError('usage', '--bits must be a whole number from 2048 to 8192');
  }
  const pair = await make(bits);
  const jwk = {
    ...pair.publicKey.export({ format: 'jwk' }),
    use: 'sig',
    alg,
    ...(kid === undefined ? {} : { kid }),
  };
  const admission = admitJwk(jwk, { origin: 'file' });
  if (!admission.ok)
    throw new JwksdError('usage', `this key would not be published: ${admission.rejection.detail}`);
  return {
    privatePem: pair.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    key: admission.key,
  };
};
