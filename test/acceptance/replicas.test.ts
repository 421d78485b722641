import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { eventually, startJwksd, temporaryDirectory } from '../fakes/jwksd.ts';
import { get, kidsAt } from './client.ts';
import { digestOf, makeSigner } from './signer.ts';

test('two replicas on one directory give the same bytes and the same ETags, also after a change', async () => {
  await using directory = await temporaryDirectory();
  const signers = [await makeSigner('ES256'), await makeSigner('RS256'), await makeSigner('EdDSA')];
  const write = async (n: number): Promise<void> => {
    const temporary = path.join(directory.path, `.${n}.json`);
    await writeFile(temporary, JSON.stringify(signers[n]?.jwk));
    await rename(temporary, path.join(directory.path, `${n}.json`));
  };
  await write(2);
  await write(0);
  const env = { JWKSD_SOURCES__KEYS__POLL: '1s' };
  await using first = await startJwksd(['--keys', directory.path], { env });
  // The second comes when the directory has already changed in another order.
  await write(1);
  await using second = await startJwksd(['--keys', directory.path], { env });

  const settled = async (count: number): Promise<void> => {
    for (const { url } of [first, second]) {
      await eventually(
        async () => (await kidsAt(`${url}/.well-known/jwks.json`)).length === count || undefined,
      );
    }
  };
  const compare = async (): Promise<void> => {
    for (const encoding of ['identity', 'gzip', 'br']) {
      for (const name of [
        '/.well-known/jwks.json',
        ...signers.map(({ kid }) => `/certs/${digestOf(kid)}.pem`),
        ...signers.map(({ kid }) => `/sets/default/keys/${kid}`),
      ]) {
        const headers = { 'accept-encoding': encoding };
        const [one, two] = await Promise.all(
          [first, second].map(async ({ url }) => await get(`${url}${name}`, { headers })),
        );
        expect(two?.body, name).toEqual(one?.body);
        expect(two?.headers.etag, name).toBe(one?.headers.etag);
        expect([two?.status, two?.headers['content-type']], name).toEqual([
          one?.status,
          one?.headers['content-type'],
        ]);
        // What one replica gave out, the other recognises.
        if (one?.status === 200) {
          const again = { ...headers, 'if-none-match': String(one.headers.etag) };
          expect((await get(`${second.url}${name}`, { headers: again })).status, name).toBe(304);
        }
      }
    }
  };

  await settled(3);
  await compare();
  const before = (await get(`${first.url}/.well-known/jwks.json`)).headers.etag;
  await rm(path.join(directory.path, '0.json'));
  await settled(2);
  await compare();
  expect((await get(`${first.url}/.well-known/jwks.json`)).headers.etag).not.toBe(before);
});
