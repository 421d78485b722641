import { createPrivateKey, createPublicKey, sign, verify, type JsonWebKey } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, runJwksd, startJwksd, temporaryDirectory, type Running } from '../fakes/jwksd.ts';
import { byPath, FakeUpstream, ok } from '../fakes/upstream.ts';
import { get, kidsAt, ready } from './client.ts';
import { digestOf, makeSigner, setOf } from './signer.ts';

const modeOf = async (file: string): Promise<string> => ((await stat(file)).mode & 0o777).toString(8);

const statusAt = async (url: string): Promise<number> => (await get(url)).status;

describe('the quickstart', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let server: Running;
  let jwks: string;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    // The least careful umask: nothing but the program's own care protects the private key.
    server = await startJwksd([], { cwd: directory.path, umask: 0o000 });
    jwks = `${server.url}/.well-known/jwks.json`;
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  test('makes a key pair whose private half only its owner can read, whatever the umask', async () => {
    const keys = path.join(directory.path, 'data/keys');
    const files = await readdir(keys);
    expect(files).toHaveLength(1);
    expect(await modeOf(keys)).toBe('700');
    expect(await modeOf(path.join(keys, files[0]!))).toBe('600');
    const outputs = path.join(directory.path, 'data/outputs');
    for (const file of await readdir(outputs)) expect(await modeOf(path.join(outputs, file))).toBe('644');
  });

  test('publishes the public half of the private key it names in the banner', async () => {
    const file = /paste (\S+) as the JWT private key \(ES256\)/u.exec(server.output())?.[1];
    const privateKey = createPrivateKey(await readFile(path.resolve(directory.path, file!)));
    const { keys } = JSON.parse((await get(jwks)).text) as { keys: JsonWebKey[] };
    expect(keys).toHaveLength(1);
    expect(Object.keys(keys[0]!).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    const data = Buffer.from('signed');
    const publicKey = createPublicKey({ key: keys[0]!, format: 'jwk' });
    expect(verify('sha256', data, publicKey, sign('sha256', data, privateKey))).toBe(true);
  });

  test('prints URLs that answer', async () => {
    const urls = [...server.output().matchAll(/http:\/\/127\.0\.0\.1:\d+\/[^\s"<]+/gu)].map(([url]) => url);
    expect(new Set(urls).size).toBeGreaterThanOrEqual(3);
    for (const url of urls.filter((each) => !each.endsWith('/'))) expect((await get(url)).status).toBe(200);
    const [kid] = await kidsAt(jwks);
    const pem = /PEM {7}(\S+)<sha256 of the kid>\.pem/u.exec(server.output())?.[1];
    expect((await get(`${pem}${digestOf(kid!)}.pem`)).text).toMatch(/^-----BEGIN PUBLIC KEY-----\n/u);
  });

  test('logs JSON lines with a level and a message on stdout', () => {
    expect(server.log().length).toBeGreaterThan(0);
    for (const line of server.log()) {
      expect(line).toMatchObject({ level: expect.any(Number), msg: expect.any(String) });
    }
  });

  test('has probes, metrics and status on the ops listener, the latter two not on the public one', async () => {
    for (const name of ['/livez', '/readyz', '/metrics', '/status']) {
      expect(await statusAt(`${server.opsUrl}${name}`), name).toBe(200);
    }
    for (const name of ['/metrics', '/status'])
      expect(await statusAt(`${server.url}${name}`), name).toBe(404);
    const status = JSON.parse((await get(`${server.opsUrl}/status`)).text) as Record<string, unknown>;
    expect(status).toMatchObject({ ready: true, sources: [{ state: 'FRESH', keys: 1 }], sets: [{}] });
    expect((await get(`${server.opsUrl}/metrics`)).text).toMatch(/^jwksd_ready 1$/mu);
  });

  test('keeps the pair it has at the next start, and has no ops listener where that is turned off', async () => {
    const before = await get(jwks);
    const files = await readdir(path.join(directory.path, 'data'), { recursive: true });
    await using again = await startJwksd([], {
      cwd: directory.path,
      env: { JWKSD_OPS__ENABLED: 'false' },
    });
    expect(again.opsUrl).toBe('');
    const after = await get(`${again.url}/.well-known/jwks.json`);
    expect([after.headers.etag, after.text]).toEqual([before.headers.etag, before.text]);
    expect(await readdir(path.join(directory.path, 'data'), { recursive: true })).toEqual(files);
  });
});

describe('--keys', () => {
  test('serves the keys of a directory in the order of their files', async () => {
    await using directory = await temporaryDirectory();
    const [first, second] = [await makeSigner('ES256'), await makeSigner('EdDSA')];
    await writeFile(path.join(directory.path, '1.json'), JSON.stringify(first.jwk));
    await writeFile(
      path.join(directory.path, '2.pem'),
      second.publicKey.export({ type: 'spki', format: 'pem' }),
    );
    await using server = await startJwksd(['--keys', directory.path]);
    expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual([first.kid, second.kid]);
    expect(await kidsAt(`${server.url}/sets/default/jwks.json`)).toEqual([first.kid, second.kid]);
    expect((await get(`${server.url}/certs/${digestOf(second.kid)}.pem`)).status).toBe(200);
  });

  test('takes a single file, relative to the working directory', async () => {
    await using directory = await temporaryDirectory();
    const signer = await makeSigner('RS256', 'a name');
    await writeFile(path.join(directory.path, 'jwks.json'), JSON.stringify(setOf(signer)));
    await using server = await startJwksd(['--keys', 'jwks.json'], { cwd: directory.path });
    expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual(['a name']);
  });

  test('makes no key of its own when the directory is empty, and says 503', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startJwksd(['--keys', directory.path]);
    const { status, headers } = await get(`${server.url}/.well-known/jwks.json`);
    expect({ status, retryAfter: headers['retry-after'], cache: headers['cache-control'] }).toEqual({
      status: 503,
      retryAfter: '2',
      cache: 'no-store',
    });
    expect(await readdir(directory.path)).toEqual([]);
  });
});

describe('--upstream', () => {
  test('mirrors one upstream as the default set', async () => {
    const signer = await makeSigner('RS256');
    await using upstream = await FakeUpstream.start({ handler: ok(setOf(signer)) });
    await using directory = await temporaryDirectory();
    await using server = await startJwksd(['--upstream', upstream.url().href], { cwd: directory.path });
    await ready(server);
    expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual([signer.kid]);
    expect((await get(`${server.url}/${digestOf(signer.kid)}.pem`)).status).toBe(200);
  });

  test('gives each of several upstreams a set of its own, the first being the default', async () => {
    const [one, two] = [await makeSigner(), await makeSigner()];
    await using upstream = await FakeUpstream.start({
      handler: byPath({ '/one': ok(setOf(one)), '/two': ok(setOf(two)) }),
    });
    await using directory = await temporaryDirectory();
    const flags = ['--upstream', `first=${upstream.url('/one').href}`];
    flags.push('--upstream', `second=${upstream.url('/two').href}`);
    await using server = await startJwksd(flags, { cwd: directory.path });
    await ready(server);
    expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual([one.kid]);
    expect(await kidsAt(`${server.url}/sets/first/jwks.json`)).toEqual([one.kid]);
    expect(await kidsAt(`${server.url}/sets/second/jwks.json`)).toEqual([two.kid]);
    expect((await get(`${server.url}/first/${digestOf(one.kid)}.pem`)).status).toBe(200);
    expect((await get(`${server.url}/second/${digestOf(two.kid)}.pem`)).status).toBe(200);
    // One set, one trust domain: the other's key is not there.
    expect((await get(`${server.url}/first/${digestOf(two.kid)}.pem`)).status).toBe(404);
  });

  test.each([
    ['the issuer', 'issuer:'],
    ['its discovery document', ''],
  ])('finds the keys of an issuer by discovery, given %s', async (_title, prefix) => {
    const signer = await makeSigner();
    await using upstream = await FakeUpstream.start();
    upstream.handler = byPath({
      '/.well-known/openid-configuration': ok({
        issuer: upstream.origin,
        jwks_uri: upstream.url('/keys').href,
      }),
      '/keys': ok(setOf(signer)),
    });
    await using directory = await temporaryDirectory();
    const url = prefix === '' ? upstream.url('/.well-known/openid-configuration').href : upstream.origin;
    await using server = await startJwksd(['--upstream', `${prefix}${url}`], { cwd: directory.path });
    await ready(server);
    expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual([signer.kid]);
  });

  test('together with --keys is refused with the reason and the file to write', async () => {
    const { code, stderr } = await runJwksd([
      'serve',
      '--keys',
      'k',
      '--upstream',
      'https://idp.example.org/jwks',
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain('one set, one trust domain');
    expect(stderr).toMatch(/sources:[\s\S]*type: files[\s\S]*type: jwks[\s\S]*sets:/u);
  });
});

test('a source is refreshed when the ops listener is told so', async () => {
  const [before, after] = [await makeSigner(), await makeSigner()];
  await using upstream = await FakeUpstream.start({ handler: ok(setOf(before)) });
  await using directory = await temporaryDirectory();
  await using server = await startJwksd(['--upstream', `idp=${upstream.url().href}`], {
    cwd: directory.path,
  });
  await ready(server);
  upstream.handler = ok(setOf(before, after));
  const refresh = async (source: string): Promise<number> =>
    (await get(`${server.opsUrl}/sources/${source}/refresh`, { method: 'POST' })).status;
  expect(await refresh('idp')).toBe(202);
  await eventually(
    async () => (await kidsAt(`${server.url}/.well-known/jwks.json`))[1] === after.kid || undefined,
  );
  expect(await refresh('nobody')).toBe(404);
});
