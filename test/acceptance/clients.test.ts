import { createHash, createPublicKey, sign, verify, type JsonWebKey, type KeyObject } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import buildGetJwks from 'get-jwks';
import { createRemoteJWKSet, decodeProtectedHeader, importSPKI, jwtVerify } from 'jose';
import jwksRsa from 'jwks-rsa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startJwksd, temporaryDirectory, type Running } from '../fakes/jwksd.ts';
import { get } from './client.ts';
import { digestOf, makeSigner, setOf, type Signer } from './signer.ts';

const algorithms = ['RS256', 'ES256', 'EdDSA'] as const;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: Running;
let jwks: URL;
const signers = new Map<string, Signer>();
let stranger: Signer;

const signerOf = (alg: string): Signer => signers.get(alg)!;
const pemUrl = (signer: Signer): string => `${server.url}/certs/${digestOf(signer.kid)}.pem`;

beforeAll(async () => {
  directory = await temporaryDirectory();
  for (const alg of algorithms) signers.set(alg, await makeSigner(alg));
  stranger = await makeSigner('RS256');
  await writeFile(path.join(directory.path, 'jwks.json'), JSON.stringify(setOf(...signers.values())));
  server = await startJwksd(['--keys', directory.path]);
  jwks = new URL(`${server.url}/.well-known/jwks.json`);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

describe('jose', () => {
  test.each(algorithms)('createRemoteJWKSet and jwtVerify accept a token signed with %s', async (alg) => {
    const signer = signerOf(alg);
    const { payload, protectedHeader } = await jwtVerify(
      await signer.token({ sub: 'somebody' }),
      createRemoteJWKSet(jwks),
    );
    expect(payload.sub).toBe('somebody');
    expect(protectedHeader).toMatchObject({ alg, kid: signer.kid });
  });

  test('refuses a token of somebody whose key is not there', async () => {
    await expect(jwtVerify(await stranger.token(), createRemoteJWKSet(jwks))).rejects.toMatchObject({
      code: 'ERR_JWKS_NO_MATCHING_KEY',
    });
  });

  test.each(algorithms)('importSPKI takes the PEM (%s)', async (alg) => {
    const signer = signerOf(alg);
    const key = await importSPKI((await get(pemUrl(signer))).text, alg);
    expect((await jwtVerify(await signer.token(), key)).protectedHeader.kid).toBe(signer.kid);
  });
});

/** Verifies the signature of a token by hand; fields of RFC 7515 §3.1. */
const verifies = (token: string, key: KeyObject): boolean => {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const { alg } = decodeProtectedHeader(token);
  return verify(
    alg === 'EdDSA' ? null : 'sha256',
    Buffer.from(`${header}.${payload}`),
    alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key,
    Buffer.from(signature, 'base64url'),
  );
};

describe('jwks-rsa', () => {
  test.each(algorithms)('getSigningKey finds the key of a token, and it verifies (%s)', async (alg) => {
    const signer = signerOf(alg);
    const client = jwksRsa({ jwksUri: jwks.href, cache: false });
    const key = await client.getSigningKey(signer.kid);
    expect(key.alg).toBe(alg);
    expect(verifies(await signer.token(), createPublicKey(key.getPublicKey()))).toBe(true);
  });

  test('says that an unknown key is unknown', async () => {
    const client = jwksRsa({ jwksUri: jwks.href, cache: false });
    await expect(client.getSigningKey(stranger.kid)).rejects.toThrow(/Unable to find a signing key/u);
  });
});

describe('get-jwks', () => {
  test.each(['RS256', 'ES256'])('finds the key by the domain alone (%s)', async (alg) => {
    const signer = signerOf(alg);
    const pem = await buildGetJwks().getPublicKey({ domain: server.url, alg, kid: signer.kid });
    expect(verifies(await signer.token(), createPublicKey(pem))).toBe(true);
  });

  // jwk-to-pem, which it makes PEMs with, does not know Ed25519.
  test('gives the JWK where it makes no PEM (EdDSA)', async () => {
    const { kid, jwk } = signerOf('EdDSA');
    expect(await buildGetJwks().getJwk({ domain: server.url, alg: 'EdDSA', kid })).toEqual(jwk);
  });
});

describe("Node's own crypto", () => {
  test.each(algorithms)('takes the PEM and the JWK, and both are the key (%s)', async (alg) => {
    const signer = signerOf(alg);
    const { text } = await get(pemUrl(signer));
    expect(text).toBe(signer.publicKey.export({ type: 'spki', format: 'pem' }));
    const jwk = JSON.parse((await get(`${server.url}/sets/default/keys/${signer.kid}`)).text) as JsonWebKey;
    expect(createPublicKey({ key: jwk, format: 'jwk' }).equals(signer.publicKey)).toBe(true);
    expect(verifies(await signer.token(), createPublicKey(text))).toBe(true);
  });
});

const openssl = (args: readonly string[], input?: string | Buffer) =>
  spawnSync('openssl', args, { input, encoding: 'latin1' });
const { error: noOpenssl } = openssl(['version']);
const skipped = noOpenssl === undefined ? '' : ' (skipped: there is no openssl on this machine)';

describe.skipIf(noOpenssl !== undefined)(`openssl${skipped}`, () => {
  test.each(algorithms)('pkey -pubin reads the PEM and writes the same again (%s)', async (alg) => {
    const { text } = await get(pemUrl(signerOf(alg)));
    const { status, stdout } = openssl(['pkey', '-pubin'], text);
    expect([status, stdout]).toEqual([0, text]);
  });

  test.each(['RS256', 'ES256'])('dgst -verify accepts a signature with the PEM (%s)', async (alg) => {
    const signer = signerOf(alg);
    const { path: at } = directory;
    const data = createHash('sha512').update(alg).digest();
    const [pem, signature, message] = ['key', 'signature', 'message'].map((name) =>
      path.join(at, `.${name}`),
    );
    await writeFile(pem!, (await get(pemUrl(signer))).body);
    await writeFile(signature!, sign('sha256', data, signer.privateKey));
    await writeFile(message!, data);
    const dgst = ['dgst', '-sha256', '-verify', pem!, '-signature', signature!];
    expect(openssl([...dgst, message!]).stdout).toBe('Verified OK\n');
    await writeFile(message!, 'something else');
    expect(openssl([...dgst, message!]).status).toBe(1);
  });
});

describe('headers of other clients', () => {
  const jsonType = 'application/json';
  test.each([
    // java.net.HttpURLConnection, as Nimbus and old Keycloak adapters use it.
    ['text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2', jsonType],
    ['application/json, application/jwk-set+json', 'application/jwk-set+json'],
    ['application/jwk-set+json', 'application/jwk-set+json'],
    ['*/*', jsonType],
    ['application/xml', jsonType],
    ['', jsonType],
    [';;;q=', jsonType],
  ])('Accept: %s gets the set as %s... and never a 406', async (accept, type) => {
    const { status, headers, text } = await get(jwks.href, { headers: { accept } });
    expect([status, headers['content-type']]).toEqual([200, type]);
    expect((JSON.parse(text) as { keys: object[] }).keys).toHaveLength(3);
  });

  test('no header but Host is enough, and the answer has no coding', async () => {
    const { status, headers } = await get(jwks.href);
    expect([status, headers['content-encoding']]).toEqual([200, undefined]);
  });

  test('headers that mean nothing here change nothing', async () => {
    const plain = await get(jwks.href);
    for (const headers of [
      { expect: '100-continue' },
      { 'content-type': 'application/json' },
      { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', forwarded: 'host=evil.example' },
      { range: 'bytes=0-1' },
      { 'if-none-match': '"other"', 'if-modified-since': 'never' },
      { upgrade: 'h2c', connection: 'Upgrade, HTTP2-Settings', 'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA' },
      { 'accept-encoding': 'identity;q=0, *;q=0' },
      { 'user-agent': 'x'.repeat(5000) },
    ]) {
      const { status, text } = await get(jwks.href, { headers });
      expect([status, text], JSON.stringify(headers)).toEqual([200, plain.text]);
    }
  });

  test("Atlassian's ASAP clients get application/x-pem-file", async () => {
    const { headers } = await get(pemUrl(signerOf('RS256')), {
      headers: { accept: 'application/x-pem-file' },
    });
    expect(headers['content-type']).toBe('application/x-pem-file');
  });
});
