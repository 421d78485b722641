import { compactVerify, createRemoteJWKSet } from 'jose';
import { expect, test } from 'vitest';
import { defects, healthy } from '../../fakes/key-server-defects.ts';
import { FakeUpstream } from '../../fakes/upstream.ts';
import { run } from '../world.ts';

interface Client {
  readonly usable: boolean;
  readonly keys: readonly { kid?: string; alg?: string; kty?: string; taken: boolean }[];
  readonly notes: readonly { level: string; says?: { text: string; verbatim: boolean } }[];
}

/** Gives jose a token that names a key of the set; the message it refuses it with, undefined when only the signature is wrong. */
const askJose = async (url: URL, alg: string, kid: string | undefined): Promise<string | undefined> => {
  const header = Buffer.from(JSON.stringify({ alg, kid })).toString('base64url');
  const signature = Buffer.alloc(alg.startsWith('R') ? 256 : 64, 1).toString('base64url');
  try {
    await compactVerify(`${header}.e30.${signature}`, createRemoteJWKSet(url));
    throw new Error('a made-up signature was accepted');
  } catch (error) {
    const { message } = error as Error;
    return message === 'signature verification failed' ? undefined : message;
  }
};

const readByJose = [...healthy, ...defects].filter(({ readers }) => readers.includes('generic'));

test.each(readByJose)('jose itself and doctor agree: $name', async ({ handler }) => {
  await using upstream = await FakeUpstream.start({ handler });
  const { stdout } = await run(['doctor', upstream.url().href, '--as', 'generic', '--json']);
  const [client] = (JSON.parse(stdout) as { clients: readonly Client[] }).clients;
  const usual: Readonly<Record<string, string>> = { RSA: 'RS256', EC: 'ES256', OKP: 'EdDSA' };
  for (const { kid, alg, kty, taken } of client?.keys ?? []) {
    // What Node has of ML-DSA depends on its OpenSSL.
    if (kty === 'AKP') continue;
    const message = await askJose(upstream.url(), alg ?? usual[kty ?? ''] ?? 'ES256', kid);
    expect([kid, message === undefined]).toEqual([kid, taken]);
  }
  const fatal = client?.notes.find(({ level }) => level === 'error')?.says;
  if (client?.keys.length === 0 && fatal?.verbatim === true) {
    expect(await askJose(upstream.url(), 'ES256', undefined)).toBe(fatal.text);
  }
});
