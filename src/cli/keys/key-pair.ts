import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { JwksdError } from '../../errors.ts';
import { admitJwk } from '../../jwk/admit.ts';
import type { Key } from '../../jwk/key.ts';
import { algorithmTypes, type PairType } from './choices.ts';

/** A key pair for signing: the private half, and the public half admitted and complete. */
export interface SigningPair {
  readonly privateKey: KeyObject;
  /** The private half as PKCS#8, not encrypted. */
  readonly privatePem: string;
  readonly key: Key;
}

/** What a pair is to be like. */
export interface PairOptions {
  /** Size of an RSA key: 3072. */
  readonly bits?: number;
  /** The thumbprint unless given. */
  readonly kid?: string | undefined;
  /** Whether a pair will do; another one is made until one does. */
  readonly accept?: (key: Key) => boolean;
}

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

// The cast: the types of Node 20 know neither ML-DSA nor a type that is chosen at run time.
const generate = promisify(generateKeyPair) as unknown as (
  type: string,
  options: { namedCurve?: string; modulusLength?: number } | undefined,
) => Promise<Pair>;

const curves: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

const makers: Readonly<Record<PairType, (alg: string, bits: number) => Promise<Pair>>> = {
  EC: async (alg) => await generate('ec', { namedCurve: curves[alg] ?? '' }),
  RSA: async (_alg, bits) => await generate('rsa', { modulusLength: bits }),
  OKP: async () => await generate('ed25519', undefined),
  AKP: async (alg) => {
    try {
      return await generate(alg.toLowerCase(), undefined);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_INVALID_ARG_VALUE') throw error;
      throw new JwksdError(
        'failed',
        `this Node.js (${process.version}) cannot make ML-DSA keys; run jwksd with a current Node.js 24 or newer, or choose another --alg`,
        { cause: error },
      );
    }
  },
};

/**
 * Makes a key pair for `alg`.
 *
 * @throws {JwksdError} `usage` for an unknown algorithm, a size outside 2048 to 8192, or a `kid` no client would take;
 * `failed` for an algorithm this runtime lacks.
 */
export const createSigningPair = async (
  alg: string,
  { bits = 3072, kid, accept = () => true }: PairOptions = {},
): Promise<SigningPair> => {
  const type = Object.hasOwn(algorithmTypes, alg) ? algorithmTypes[alg] : undefined;
  if (type === undefined) throw new JwksdError('usage', `no key pair can be made for --alg ${alg}`);
  if (!Number.isInteger(bits) || bits < 2048 || bits > 8192 || bits % 256 !== 0) {
    throw new JwksdError('usage', '--bits must be a multiple of 256 from 2048 to 8192');
  }
  for (;;) {
    const pair = await makers[type](alg, bits);
    const key = admitted(pair, alg, kid);
    if (!accept(key)) continue;
    return {
      privateKey: pair.privateKey,
      privatePem: pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
      key,
    };
  }
};

const admitted = (pair: Pair, alg: string, kid: string | undefined): Key => {
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), use: 'sig', alg };
  const admission = admitJwk(kid === undefined ? jwk : { ...jwk, kid }, { origin: 'file' });
  if (admission.ok) return admission.key;
  throw new JwksdError('usage', `this key would not be published: ${admission.rejection.detail}`);
};
