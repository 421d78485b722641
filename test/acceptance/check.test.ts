import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { runJwksd, startJwksd, temporaryDirectory } from '../fakes/jwksd.ts';
import { FakeUpstream, ok } from '../fakes/upstream.ts';
import { ready } from './client.ts';
import { makeSigner, setOf } from './signer.ts';

test('check --offline judges an upstream by what the last run remembered', async () => {
  await using directory = await temporaryDirectory();
  await using upstream = await FakeUpstream.start({ handler: ok(setOf(await makeSigner())) });
  const config = [
    'state: { dir: state }',
    `sources: { idp: { type: jwks, url: '${upstream.url().href}', allowInsecureHttp: true } }`,
    'sets: { default: { sources: [idp] } }',
  ].join('\n');
  await writeFile(path.join(directory.path, 'jwksd.yaml'), config);
  const argv = ['check', '-c', 'jwksd.yaml', '--offline'];
  const before = await runJwksd(argv, { cwd: directory.path });
  expect([before.code, before.stdout.includes('not checked')]).toEqual([1, true]);
  const server = await startJwksd(['-c', 'jwksd.yaml'], { cwd: directory.path });
  await ready(server);
  await server.stop();
  const asked = upstream.requests.length;
  const { code, stdout } = await runJwksd(argv, { cwd: directory.path });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^idp +jwks +RESTORED +1 /mu);
  expect(stdout).not.toContain('not checked');
  expect(upstream.requests).toHaveLength(asked);
});
