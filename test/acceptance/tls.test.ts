import { X509Certificate } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import { eventually, runJwksd, startJwksd, temporaryDirectory } from '../fakes/jwksd.ts';
import { FakeAuthority, type ServerIdentity } from '../fakes/tls.ts';
import { get } from './client.ts';
import { makeSigner } from './signer.ts';

/** A directory with a key and a configuration for HTTPS. */
const prepare = async (directory: string, { key, cert }: ServerIdentity): Promise<string> => {
  const keys = path.join(directory, 'keys');
  await mkdir(keys);
  await writeFile(path.join(keys, 'key.json'), JSON.stringify((await makeSigner()).jwk));
  await writeFile(path.join(directory, 'cert.pem'), cert);
  await writeFile(path.join(directory, 'key.pem'), key);
  const file = path.join(directory, 'jwksd.yaml');
  await writeFile(
    file,
    `server: { tls: { certFile: cert.pem, keyFile: key.pem } }
sources: { mine: { type: files, path: keys } }
`,
  );
  return file;
};

const printOf = ({ cert }: ServerIdentity): string => new X509Certificate(cert).fingerprint256;

/** The status, and the fingerprint of the certificate the connection was made with. */
const ask = async (url: string, agent: Agent): Promise<readonly [number, string]> =>
  await new Promise((resolve, reject) => {
    const asked = request(`${url}/livez`, { agent }, (response) => {
      const { fingerprint256 } = (response.socket as TLSSocket).getPeerCertificate();
      response.resume().on('end', () => resolve([response.statusCode ?? 0, fingerprint256]));
    });
    asked.on('error', reject).end();
  });

test('HTTPS follows the certificate on disk: new connections get the new one, open ones go on', async () => {
  const authority = new FakeAuthority();
  const [old, next] = [authority.issue(), authority.issue()];
  await using directory = await temporaryDirectory();
  const file = await prepare(directory.path, old);
  await using server = await startJwksd(['--config', file]);
  expect(server.url).toMatch(/^https:/u);
  const url = server.url.replace('127.0.0.1', 'localhost');
  expect((await get(`${url}/.well-known/jwks.json`, { ca: authority.cert })).status).toBe(200);
  await expect(get(`${url}/livez`)).rejects.toThrow();

  const kept = new Agent({ keepAlive: true, maxSockets: 1, ca: authority.cert });
  expect(await ask(url, kept)).toEqual([200, printOf(old)]);
  for (const [name, text] of [
    ['cert.pem', next.cert],
    ['key.pem', next.key],
  ] as const) {
    const temporary = path.join(directory.path, `.${name}`);
    await writeFile(temporary, text);
    await rename(temporary, path.join(directory.path, name));
  }
  // A connection and a handshake of its own each time: a resumed session shows no certificate.
  const fresh = new Agent({ keepAlive: false, maxCachedSessions: 0, ca: authority.cert });
  await eventually(async () => (await ask(url, fresh))[1] === printOf(next) || undefined, 15_000);
  expect(await ask(url, fresh)).toEqual([200, printOf(next)]);
  expect(await ask(url, kept)).toEqual([200, printOf(old)]);
  kept.destroy();
  expect(await server.stop()).toBe(0);
});

test.each([
  ['a pair that does not belong together', 'cert.pem'],
  ['a certificate that is not there', undefined],
])('%s is refused at start with 2', async (_title, replaced) => {
  const authority = new FakeAuthority();
  await using directory = await temporaryDirectory();
  const file = await prepare(directory.path, authority.issue());
  if (replaced === undefined) {
    await rename(path.join(directory.path, 'cert.pem'), path.join(directory.path, 'gone.pem'));
  } else {
    await writeFile(path.join(directory.path, replaced), authority.issue().cert);
  }
  const { code, stderr } = await runJwksd(['serve', '--config', file, '--port', '0', '--ops-port', '0']);
  expect(stderr).toMatch(/^jwksd: server\.tls cannot be used: [^\n]+\n$/u);
  expect(code).toBe(2);
});
