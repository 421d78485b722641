import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { eventually, runJwksd, startJwksd, temporaryDirectory } from '../fakes/jwksd.ts';
import { byPath, FakeUpstream, ok, redirect, status } from '../fakes/upstream.ts';
import { get, kidsAt } from './client.ts';
import { makeSigner, setOf } from './signer.ts';

/** Every secret of these tests contains this word, and nothing else does. */
const word = 'hushhush';

test('no secret of the configuration, a request, a file or an upstream reaches log, status or metrics', async () => {
  const signer = await makeSigner();
  const leaky = { ...signer.privateKey.export({ format: 'jwk' }), kid: 'leaky' };
  await using upstream = await FakeUpstream.start({
    handler: byPath({
      '/good': ok(setOf(signer)),
      '/leaky': ok({ keys: [signer.jwk, leaky] }),
      '/failing': status(500, {}, `${word} body`),
      '/moving': redirect(`http://localhost:1/${word}-path?code=${word}`),
      '/text': ok(`${word} is not JSON`),
    }),
  });
  await using directory = await temporaryDirectory();
  const keys = path.join(directory.path, 'keys');
  await mkdir(keys);
  const pem = signer.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  await writeFile(path.join(keys, 'private.pem'), pem);
  await writeFile(path.join(directory.path, 'bearer'), `${word}-bearer`);
  await writeFile(path.join(directory.path, 'ops-token'), `${word}-ops`);
  const source = (name: string): string =>
    `  ${name}: { type: jwks, url: "${upstream.url(`/${name}?secret=${word}`).href}", required: false,` +
    ` headers: { x-api-key: ${word}-header }, bearerTokenFile: bearer }\n`;
  const names = ['good', 'leaky', 'failing', 'moving', 'text'];
  const file = path.join(directory.path, 'jwksd.yaml');
  await writeFile(
    file,
    `log: { level: trace }\nsources:\n  mine: { type: files, path: keys }\n${names.map(source).join('')}` +
      `sets:\n  default: { sources: [mine] }\n${names.map((name) => `  ${name}: { sources: [${name}] }\n`).join('')}`,
  );
  const env = { JWKSD_OPS__TOKEN_FILE: path.join(directory.path, 'ops-token') };
  await using server = await startJwksd(['--config', file], { cwd: directory.path, env });

  const asked = (name: string): boolean => upstream.requests.some(({ url }) => url.startsWith(`/${name}`));
  await eventually(() => names.every(asked) || undefined);
  await eventually(async () => (await get(`${server.url}/sets/leaky/jwks.json`)).status === 200 || undefined);
  // The upstream did get what it must.
  expect(upstream.requests[0]?.headers).toMatchObject({
    authorization: `Bearer ${word}-bearer`,
    'x-api-key': `${word}-header`,
  });
  expect(upstream.requests[0]?.url).toContain(word);

  const headers = { authorization: `Bearer ${word}-request`, cookie: `session=${word}` };
  for (const url of [
    `/.well-known/jwks.json?token=${word}`,
    `/nothing?token=${word}`,
    `/sets/good/keys?kid=${word}`,
  ]) {
    await get(`${server.url}${url}`, { headers });
  }
  const post = async (token: string): Promise<number> =>
    (
      await get(`${server.opsUrl}/sources/failing/refresh`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
      })
    ).status;
  expect(await post(`${word}-wrong`)).toBe(401);
  expect(await post(`${word}-ops`)).toBe(202);
  server.kill('SIGHUP');
  await eventually(() => server.log().find(({ msg }) => msg === 'configuration reloaded'));
  const pages = await Promise.all(
    ['/status', '/metrics', '/readyz'].map(async (page) => (await get(`${server.opsUrl}${page}`)).text),
  );
  const documents = await Promise.all(
    ['/', '/readyz', '/sets/leaky/jwks.json'].map(async (page) => (await get(`${server.url}${page}`)).text),
  );
  expect(await server.stop()).toBe(0);

  const everything = [server.output(), ...pages, ...documents].join('\n');
  expect(everything).not.toContain(word);
  expect(everything).not.toContain(String(signer.privateKey.export({ format: 'jwk' }).d));
  expect(everything).not.toContain(pem.split('\n')[1]);
  // All of it happened where it could have been told.
  expect(server.log().filter(({ level }) => Number(level) >= 40).length).toBeGreaterThan(3);
});

test('`config print` masks secrets', async () => {
  await using directory = await temporaryDirectory();
  const file = path.join(directory.path, 'jwksd.yaml');
  await writeFile(
    file,
    `ops: { token: ${word}-token-of-some-length }
sources:
  idp: { type: jwks, url: https://idp.example.org/jwks, headers: { x-api-key: ${word} } }
`,
  );
  for (const more of [[], ['--json']]) {
    const { code, stdout, stderr } = await runJwksd(['config', 'print', '--config', file, ...more]);
    expect(code).toBe(0);
    expect(stdout).toContain('idp.example.org');
    expect(stdout + stderr).not.toContain(word);
  }
});

test('a private key among the published files is served as its public half, with a warning that names the file', async () => {
  await using directory = await temporaryDirectory();
  const signer = await makeSigner();
  const file = path.join(directory.path, 'mine.pem');
  await writeFile(file, signer.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await using server = await startJwksd(['--keys', directory.path]);
  expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual([signer.kid]);
  const { text } = await get(`${server.url}/.well-known/jwks.json`);
  expect(Object.keys((JSON.parse(text) as { keys: object[] }).keys[0]!)).not.toContain('d');
  expect(await eventually(() => server.log().find(({ level }) => level === 40))).toMatchObject({
    msg: expect.stringContaining(file) as string,
  });
});
