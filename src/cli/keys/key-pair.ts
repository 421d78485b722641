import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { didYouMean } from '../../config/near-miss.ts';
import { JwksdError } from '../../errors.ts';
import { admitJwk } from '../../jwk/admit.ts';
import type { Key } from '../../jwk/key.ts';

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

const generate = promisify(generateKeyPair) as unknown as (
  type: string,
  options: { namedCurve?: string; modulusLength?: number } | undefined,
) => Promise<Pair>;

/** How the questionnaire groups the algorithms. */
export type AlgorithmType = 'EC' | 'RSA' | 'OKP' | 'AKP';

interface Algorithm {
  readonly type: AlgorithmType;
  make(bits: number): Promise<Pair>;
}

const ec = (namedCurve: string): Algorithm => ({
  type: 'EC',
  make: async () => await generate('ec', { namedCurve }),
});
const rsa: Algorithm = { type: 'RSA', make: async (bits) => await generate('rsa', { modulusLength: bits }) };
const ed25519: Algorithm = { type: 'OKP', make: async () => await generate('ed25519', undefined) };
const mlDsa = (parameters: string): Algorithm => ({
  type: 'AKP',
  make: async () => {
    try {
      return await generate(parameters, undefined);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_INVALID_ARG_VALUE') throw error;
      throw new JwksdError(
        'failed',
        `this Node.js (${process.version}) cannot make ML-DSA keys; run jwksd with a current Node.js 24 or newer, or choose another --alg`,
        { cause: error },
      );
    }
  },
});

/** The algorithms a pair can be made for (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864, RFC 9964). */
const algorithms: Readonly<Record<string, Algorithm>> = {
  ES256: ec('P-256'),
  ES384: ec('P-384'),
  ES512: ec('P-521'),
  RS256: rsa,
  RS384: rsa,
  RS512: rsa,
  PS256: rsa,
  PS384: rsa,
  PS512: rsa,
  EdDSA: ed25519,
  Ed25519: ed25519,
  'ML-DSA-44': mlDsa('ml-dsa-44'),
  'ML-DSA-65': mlDsa('ml-dsa-65'),
  'ML-DSA-87': mlDsa('ml-dsa-87'),
};

/** Names of the algorithms {@link createSigningPair} takes. */
export const signingAlgorithms: readonly string[] = Object.keys(algorithms);

/** The type of key an algorithm works with; undefined for one no pair can be made for. */
export const typeOf = (alg: string): AlgorithmType | undefined =>
  Object.hasOwn(algorithms, alg) ? algorithms[alg]?.type : undefined;

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
  const algorithm = Object.hasOwn(algorithms, alg) ? algorithms[alg] : undefined;
  if (algorithm === undefined) {
    const hint = didYouMean(alg, signingAlgorithms);
    throw new JwksdError('usage', `--alg ${alg} is not one of ${signingAlgorithms.join(', ')}.${hint}`);
  }
  if (!Number.isInteger(bits) || bits < 2048 || bits > 8192) {
    throw new JwksdError('usage', '--bits must be a whole number from 2048 to 8192');
  }
  for (;;) {
    const pair = await algorithm.make(bits);
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
