import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { reloadTls, TlsFiles, type TlsPaths } from '../../src/http/tls.ts';
import { ManualClock, until } from '../fakes/clock.ts';
import { FakeSource } from '../fakes/source.ts';
import { FakeAuthority, type ServerIdentity } from '../fakes/tls.ts';
import { listen, RawClient, rsaKey, service } from './service.ts';

const authority = new FakeAuthority();
let directory: string;
let paths: TlsPaths;

const write = async ({ cert, key }: Partial<ServerIdentity>): Promise<void> => {
  if (cert !== undefined) await writeFile(paths.certFile, cert);
  if (key !== undefined) await writeFile(paths.keyFile, key);
};

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'jwksd-tls-'));
  paths = { certFile: join(directory, 'cert.pem'), keyFile: join(directory, 'key.pem') };
});
afterEach(async () => await rm(directory, { recursive: true }));

/** The certificate a new connection gets, PEM. */
const certificateAt = async (port: number): Promise<string> => {
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.cert });
  await once(socket, 'secureConnect');
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return raw.toString('base64');
};
const rawOf = ({ cert }: ServerIdentity): string => cert.replaceAll(/-----.*-----|\n/gu, '');

const secure = async (pair: ServerIdentity) => {
  const parts = await service({ sources: [new FakeSource('main', [rsaKey('a')])], app: { tls: pair } });
  return { ...parts, port: await listen(parts.app) };
};

describe('TLS', () => {
  test('a certificate is swapped without a restart; open connections stay', async () => {
    const [first, second] = [authority.issue(), authority.issue()];
    const { app, port } = await secure(first);
    const open = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.cert });
    await once(open, 'secureConnect');
    expect(await certificateAt(port)).toBe(rawOf(first));
    reloadTls(app, second);
    expect(await certificateAt(port)).toBe(rawOf(second));
    let received = '';
    open.on('data', (data: Buffer) => (received += data.toString()));
    open.write('GET /.well-known/jwks.json HTTP/1.1\r\nHost: h\r\n\r\n');
    await until(() => received.endsWith(']}'));
    open.destroy();
    await app.close();
  });

  test('a pair that does not fit changes nothing', async () => {
    const [first, second] = [authority.issue(), authority.issue()];
    const { app, port } = await secure(first);
    expect(() => reloadTls(app, { cert: second.cert, key: first.key })).toThrow(/mismatch/iu);
    expect(await certificateAt(port)).toBe(rawOf(first));
    await app.close();
  });

  test('a client that never shakes hands does not hold a close', async () => {
    const { app, port } = await secure(authority.issue());
    const client = await RawClient.open(port);
    const begun = performance.now();
    await Promise.all([app.close(), client.closed]);
    expect(performance.now() - begun).toBeLessThan(3000);
  });
});

describe('TLS files', () => {
  test('that do not belong together are refused at the start', async () => {
    const [first, second] = [authority.issue(), authority.issue()];
    await write({ cert: first.cert, key: second.key });
    const { app } = await secure(first);
    await expect(TlsFiles.open(paths, new ManualClock(), app.log)).rejects.toThrow(/mismatch/iu);
    await rm(paths.keyFile);
    await expect(TlsFiles.open(paths, new ManualClock(), app.log)).rejects.toThrow(/ENOENT/u);
    await app.close();
  });

  test('are followed by content: half a change keeps the old pair and is told once, the whole is taken', async () => {
    const [first, second] = [authority.issue(), authority.issue()];
    await write(first);
    const clock = new ManualClock();
    const warnings: string[] = [];
    const { app, port } = await secure(first);
    const log = Object.assign(Object.create(app.log) as typeof app.log, {
      warn: (_details: unknown, message: string) => void warnings.push(message),
    });
    const files = await TlsFiles.open(paths, clock, log);
    expect(files.current).toEqual({ cert: first.cert, key: first.key });
    files.watch(app);
    // Files are read by a thread pool that the manual clock knows nothing of.
    const poll = async (): Promise<void> => {
      await until(() => clock.pending === 1);
      await clock.advance(5000);
      await until(() => clock.pending === 1);
    };
    await write({ cert: second.cert });
    await poll();
    await poll();
    expect(await certificateAt(port)).toBe(rawOf(first));
    expect(warnings).toEqual(['the new TLS files cannot be used, the old pair stays']);
    await rm(paths.keyFile);
    await poll();
    await poll();
    expect(warnings).toHaveLength(2);
    await write({ key: second.key });
    await poll();
    expect(await certificateAt(port)).toBe(rawOf(second));
    expect(files.current.cert).toBe(second.cert);
    expect(warnings).toHaveLength(2);
    files.close();
    expect(clock.pending).toBe(0);
    await app.close();
  });
});
