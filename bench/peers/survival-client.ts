import { createPublicKey, type KeyObject } from 'node:crypto';
import type { JWTVerifyGetKey } from 'jose';
import type { Command, PeerName } from '../support/survival-client.ts';
import { verifyAll } from '../support/verify-all.ts';

// A verifier that gets its keys with one of the client libraries, told by messages what to verify. Its clocks can be moved
// on, so that every cache lapses at its own default and nobody waits for that.

const [peer = '', url = ''] = process.argv.slice(2);

let skipped = 0;
const { now: wall } = Date;
const monotonic = performance.now.bind(performance);
Date.now = () => wall() + skipped;
Object.defineProperty(performance, 'now', { value: () => monotonic() + skipped });

const minutes = 60_000;
const day = 24 * 60 * minutes;

type Find = (header: { readonly kid?: string; readonly alg?: string }) => Promise<KeyObject>;

const throughJwksRsa = async (options: object): Promise<Find> => {
  const { JwksClient } = await import('jwks-rsa');
  const client = new JwksClient({ jwksUri: url, ...options });
  return async ({ kid }) => createPublicKey((await client.getSigningKey(kid)).getPublicKey());
};

// Imported after the clocks were replaced, because the libraries keep what they find at their start.
const { createRemoteJWKSet, jwtVerify } = await import('jose');

const getters: Readonly<Record<PeerName, () => Promise<JWTVerifyGetKey | Find>>> = {
  jose: async () => createRemoteJWKSet(new URL(url)),
  'jwks-rsa': async () => await throughJwksRsa({}),
  'jwks-rsa, tuned': async () =>
    await throughJwksRsa({ rateLimit: true, jwksRequestsPerMinute: 10, cacheMaxAgeFallback: day }),
  'get-jwks': async () => {
    const { default: buildGetJwks } = await import('get-jwks');
    const { origin, pathname } = new URL(url);
    const client = buildGetJwks({ jwksPath: pathname });
    // Not its `getPublicKey`, whose conversion to PEM takes 9 ms of CPU.
    return async ({ kid = '', alg = '' }) =>
      createPublicKey({ key: { ...(await client.getJwk({ domain: origin, alg, kid })) }, format: 'jwk' });
  },
};
const getKey = (await getters[peer as PeerName]()) as JWTVerifyGetKey;

// The date inside a token has nothing to do with the clock that was moved.
const verify = async (token: string): Promise<unknown> =>
  await jwtVerify(token, getKey, { currentDate: new Date(wall()) });

const answer = async (command: Command): Promise<void> => {
  if (command.do === 'lapse') skipped += command.ms;
  if (command.do === 'verify') process.send?.(await verifyAll(command, verify));
  else process.send?.('moved');
};
process.on('message', (command: Command) => void answer(command));
process.send?.('ready');
