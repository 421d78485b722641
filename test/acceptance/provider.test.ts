import { createPublicKey } from 'node:crypto';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { IdentityProvider } from '../fakes/identity-provider.ts';
import { eventually, startJwksd, temporaryDirectory, type Running } from '../fakes/jwksd.ts';
import { get, kidsAt, ready } from './client.ts';
import { digestOf, makeSigner, type Signer } from './signer.ts';

const privateJwk = ({ privateKey, kid }: Signer): object => ({
  ...privateKey.export({ format: 'jwk' }),
  kid,
  use: 'sig',
  alg: 'RS256',
});

const jwksOf = ({ url }: Running): string => `${url}/.well-known/jwks.json`;

/** A service that trusts jwksd alone, and has never met the provider. */
const verifyThrough = async (server: Running, issuer: string, token: string): Promise<string> => {
  const { protectedHeader, payload } = await jwtVerify(token, createRemoteJWKSet(new URL(jwksOf(server))), {
    issuer,
    audience: 'urn:jwksd:test:api',
    typ: 'at+jwt',
  });
  expect(payload['client_id']).toBe('somebody');
  return protectedHeader.kid ?? '';
};

test('a real identity provider is mirrored by discovery through a whole rotation, an outage and a restart', async () => {
  const [old, next] = [await makeSigner('RS256'), await makeSigner('RS256')];
  await using provider = await IdentityProvider.start([privateJwk(old)]);
  await using directory = await temporaryDirectory();
  const flags = ['--upstream', `issuer:${provider.issuer}`];
  const name = '127.0.0.1';
  const options = {
    cwd: directory.path,
    // So that a removed key is gone within this test.
    env: { [`JWKSD_SOURCES__${name}__REMOVAL_CONFIRM`]: '0s' },
  };
  await using server = await startJwksd(flags, options);
  await ready(server);
  expect(provider.requests.slice(0, 2)).toEqual(['/.well-known/openid-configuration', '/jwks']);
  expect(await kidsAt(jwksOf(server))).toEqual([old.kid]);
  expect(await verifyThrough(server, provider.issuer, await provider.token())).toBe(old.kid);

  // A new key comes, and signs at once. Nobody waits for the next scheduled refresh: the first to ask for it gets it.
  await provider.rotate([privateJwk(next), privateJwk(old)]);
  const token = await provider.token();
  expect(decodeProtectedHeader(token).kid).toBe(next.kid);
  expect(await kidsAt(jwksOf(server))).toEqual([old.kid]);
  const pem = await get(`${server.url}/certs/${digestOf(next.kid)}.pem`);
  expect(pem.status).toBe(200);
  expect(createPublicKey(pem.text).equals(next.publicKey)).toBe(true);
  expect(await kidsAt(jwksOf(server))).toEqual([next.kid, old.kid]);
  expect(await verifyThrough(server, provider.issuer, token)).toBe(next.kid);

  // The old key is taken away, and goes when a second answer lacks it as well.
  await provider.rotate([privateJwk(next)]);
  await eventually(async () => {
    await get(`${server.opsUrl}/sources/${name}/refresh`, { method: 'POST' });
    return (await kidsAt(jwksOf(server))).length === 1 || undefined;
  });
  expect(await kidsAt(jwksOf(server))).toEqual([next.kid]);
  expect((await get(`${server.url}/certs/${digestOf(old.kid)}.pem`)).status).toBe(404);
  expect(await verifyThrough(server, provider.issuer, token)).toBe(next.kid);

  // The provider is down: its tokens verify as before.
  await provider.stop();
  await get(`${server.opsUrl}/sources/${name}/refresh`, { method: 'POST' });
  await eventually(async () => (await get(`${server.opsUrl}/status`)).text.includes('"STALE"') || undefined);
  expect(await verifyThrough(server, provider.issuer, token)).toBe(next.kid);
  const before = await get(jwksOf(server));
  expect(before.status).toBe(200);
  expect(before.headers['jwks-degraded']).toBeUndefined();

  // jwksd is started again while it is still down, and answers with the same bytes under the same ETag.
  expect(await server.stop()).toBe(0);
  await using again = await startJwksd(flags, options);
  const restored = await get(jwksOf(again));
  expect([restored.status, restored.headers.etag, restored.text]).toEqual([
    200,
    before.headers.etag,
    before.text,
  ]);
  expect((await get(`${again.url}/readyz`)).status).toBe(200);
  expect(await verifyThrough(again, provider.issuer, token)).toBe(next.kid);

  // The provider is back with a third key.
  const third = await makeSigner('RS256');
  await provider.resume();
  await provider.rotate([privateJwk(third), privateJwk(next)]);
  await eventually(async () => (await kidsAt(jwksOf(again))).includes(third.kid) || undefined, 20_000);
  expect(await verifyThrough(again, provider.issuer, await provider.token())).toBe(third.kid);
}, 40_000);

test('an issuer that names itself otherwise is not believed', async () => {
  const signer = await makeSigner('RS256');
  await using provider = await IdentityProvider.start([privateJwk(signer)]);
  await using directory = await temporaryDirectory();
  // Another name of the same server: its discovery document says 127.0.0.1.
  const other = provider.issuer.replace('127.0.0.1', 'localhost');
  await using server = await startJwksd(['--upstream', `issuer:${other}`], { cwd: directory.path });
  await eventually(
    async () => (await get(`${server.opsUrl}/status`)).text.includes('"discovery_issuer"') || undefined,
  );
  expect((await get(jwksOf(server))).status).toBe(503);
  expect((await get(`${server.url}/readyz`)).status).toBe(503);
});
