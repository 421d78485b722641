import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import jwksRsa from 'jwks-rsa';
import { describe, expect, test } from 'vitest';
import { runJwksd, startJwksd, temporaryDirectory } from '../fakes/jwksd.ts';
import { ready } from './client.ts';
import { digestOf } from './signer.ts';

const configOf = (profile: string): string =>
  [
    'sources: { mine: { type: files, path: outputs } }',
    'sets:',
    '  default:',
    '    sources: [mine]',
    `    profile: ${profile}`,
    '    paths: [/.well-known/jwks.json]',
    ...(profile === 'jitsi' ? ['    pem: { paths: [/, /certs] }'] : []),
  ].join('\n');

describe('a clean bill against jwksd itself, warnings included', () => {
  test.each([
    ['opencast', ['--for', 'opencast', '--compat', 'legacy'], ['octoka', 'opencast', 'generic']],
    ['generic', ['--alg', 'ES256'], ['octoka', 'opencast@19', 'generic']],
    ['generic', ['--alg', 'EdDSA'], ['octoka', 'opencast@19', 'generic']],
    ['jitsi', ['--alg', 'RS256'], ['jitsi', 'generic', 'opencast', 'octoka@1.3']],
  ])('profile %s, keys generate %j', async (profile, flags, clients) => {
    await using directory = await temporaryDirectory();
    const cwd = directory.path;
    expect(await runJwksd(['keys', 'generate', ...flags], { cwd })).toMatchObject({ code: 0 });
    await writeFile(path.join(cwd, 'jwksd.yaml'), configOf(profile));
    await using server = await startJwksd(['--config', 'jwksd.yaml'], { cwd });
    await ready(server);
    const url = `${server.url}/.well-known/jwks.json`;
    for (const client of clients) {
      const { code, stdout } = await runJwksd(['doctor', url, '--as', client, '--strict'], { cwd });
      expect([client, code, stdout.includes('warning')]).toEqual([client, 0, false]);
    }
    const all = await runJwksd(['doctor', url], { cwd });
    expect(all.code, all.stdout).toBe(0);
  });

  test('Prosody gets its PEM from the base URL and a kid alone', async () => {
    await using directory = await temporaryDirectory();
    const cwd = directory.path;
    await runJwksd(['keys', 'generate', '--alg', 'RS256', '--kid', 'a/b c'], { cwd });
    await writeFile(path.join(cwd, 'jwksd.yaml'), configOf('jitsi'));
    await using server = await startJwksd(['--config', 'jwksd.yaml'], { cwd });
    await ready(server);
    for (const base of ['/certs', '/certs/', '']) {
      const argv = ['doctor', `${server.url}${base}`, '--as', 'jitsi', '--kid', 'a/b c', '--strict'];
      expect(await runJwksd(argv, { cwd })).toMatchObject({ code: 0 });
    }
    const unknown = await runJwksd(['doctor', `${server.url}/certs`, '--kid', 'nobody'], { cwd });
    expect(unknown.code).toBe(1);
    expect(unknown.stdout).toContain('Error on GET request: Code 404');
    expect(digestOf('a/b c')).toMatch(/^[0-9a-f]{64}$/u);
  });
});

test('from nothing to a Moodle token that everybody accepts', async () => {
  await using directory = await temporaryDirectory();
  const cwd = directory.path;
  const made = await runJwksd(
    ['keys', 'generate', '--for', 'opencast', '--compat', 'legacy', '--name', 'opencast'],
    { cwd },
  );
  expect(made.code, made.stderr).toBe(0);
  await writeFile(path.join(cwd, 'jwksd.yaml'), configOf('opencast'));
  expect((await runJwksd(['check', '--config', 'jwksd.yaml', '--strict'], { cwd })).code).toBe(0);
  await using server = await startJwksd(['--config', 'jwksd.yaml'], { cwd });
  await ready(server);
  const url = `${server.url}/.well-known/jwks.json`;
  const token = await moodleToken(cwd);
  for (const client of ['octoka', 'opencast', 'generic']) {
    const { code, stdout } = await runJwksd(['doctor', url, '--as', client, '--token', token, '--strict'], {
      cwd,
    });
    expect([client, code, stdout.includes('REFUSES')]).toEqual([client, 0, false]);
  }

  const { payload, protectedHeader } = await jwtVerify(token, createRemoteJWKSet(new URL(url)), {
    algorithms: ['ES256'],
  });
  expect(protectedHeader).toEqual({ typ: 'JWT', alg: 'ES256' });
  expect(payload['oc']).toEqual({ 'e:0a1b': ['read'] });

  // Independent of jose from the JWK to the signature: jwks-rsa fetches, jsonwebtoken verifies.
  const keys = await jwksRsa({ jwksUri: url }).getSigningKeys();
  expect(keys).toHaveLength(1);
  const pem = keys[0]!.getPublicKey();
  expect(jsonwebtoken.verify(token, pem, { algorithms: ['ES256'] })['oc']).toEqual(payload['oc']);
  const [head, body, signature] = token.split('.');
  const changed = `${head}.${Buffer.from(JSON.stringify({ ...payload, oc: {} })).toString('base64url')}.${signature}`;
  expect(body).not.toBe(changed.split('.')[1]);
  expect(() => jsonwebtoken.verify(changed, pem, { algorithms: ['ES256'] })).toThrow('invalid signature');
  expect((await runJwksd(['doctor', url, '--as', 'octoka', '--token', changed], { cwd })).code).toBe(1);
});

/** A token as tool_opencast signs it, with the PEM that was made for pasting. */
const moodleToken = async (cwd: string): Promise<string> => {
  const argv = ['--key', 'keys/opencast_private.pem', '--course', '5', '--event', '0a1b:read'];
  const made = await runJwksd(['tokens', 'create', '--profile', 'moodle', ...argv, '--ttl', '60s'], { cwd });
  expect(made.code, made.stderr).toBe(0);
  return made.stdout.trim();
};
