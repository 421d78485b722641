import { chmod, mkdir, writeFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { expect, test } from 'vitest';
import { eventually, runJwksd, startJwksd, temporaryDirectory } from '../fakes/jwksd.ts';
import { get, kidsAt } from './client.ts';
import { makeSigner } from './signer.ts';

/** A port that somebody listens on until the end of `await using`. */
const takenPort = async (): Promise<{ readonly port: number } & AsyncDisposable> => {
  const server = net.createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => await new Promise((resolve) => void server.close(() => resolve())),
  };
};

test.each(['--port', '--ops-port'])(
  'a port in use ends the start with 1 and a sentence (%s)',
  async (flag) => {
    await using directory = await temporaryDirectory();
    await using taken = await takenPort();
    const other = flag === '--port' ? '--ops-port' : '--port';
    const { code, stderr } = await runJwksd(['serve', flag, String(taken.port), other, '0'], {
      cwd: directory.path,
    });
    expect(stderr).toMatch(
      new RegExp(`^jwksd: port ${taken.port} of 127.0.0.1 is in use by another process; [^\\n]+\n$`, 'u'),
    );
    expect(code).toBe(1);
  },
);

test('a configuration with ten mistakes is refused with all ten, each with its place, and exit code 2', async () => {
  await using directory = await temporaryDirectory();
  const file = path.join(directory.path, 'jwksd.yaml');
  await writeFile(
    file,
    `server:
  prot: 8080
  port: 99999
  requestTimeout: 10
log: { level: loud }
sources:
  a: { type: jwks, url: "http://idp.example.org/jwks" }
  b: { type: jwks, url: "https://user:hush@idp.example.org/jwks" }
  c: { type: files }
sets:
  default: { sources: [nobody] }
  video: { sources: [a], profile: jitsi, maxAge: 61s }
registration: {}
`,
  );
  for (const command of [['serve'], ['check'], ['config', 'print']]) {
    const { code, stdout, stderr } = await runJwksd([...command, '--config', file]);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    for (const place of [
      'server.prot',
      'server.port',
      'server.requestTimeout',
      'log.level',
      'sources.a.url',
      'sources.b.url',
      'sources.c.path',
      'sets.default.sources',
      'sets.video.maxAge',
      'registration',
    ]) {
      expect(stderr).toContain(place);
    }
    expect(stderr).not.toContain('hush');
    expect(stderr).not.toContain('    at ');
  }
});

test.each([
  ['a file that is not there', ['--config', 'nowhere.yaml'], 'nowhere.yaml'],
  ['a port that is none', ['--port', 'http'], '--port'],
  ['an upstream that is no URL', ['--upstream', 'sso'], 'sso'],
])('%s is wrong usage: exit code 2', async (_title, flags, named) => {
  const { code, stderr } = await runJwksd(['serve', ...flags]);
  expect(stderr).toContain(named);
  expect(stderr).not.toContain('    at ');
  expect(code).toBe(2);
});

/** Root reads everything, so root runs the server as nobody. */
const nobody = process.getuid?.() === 0 ? 65_534 : undefined;
const canRun = nobody === undefined || (await runJwksd(['--version'], { uid: nobody })).code === 0;
const skipped = canRun ? '' : ' (skipped: root runs the tests in a directory that nobody else may enter)';

test.skipIf(!canRun)(
  `a key file that may not be read costs its own keys and is named in a warning${skipped}`,
  async () => {
    await using directory = await temporaryDirectory();
    const signer = await makeSigner();
    const keys = path.join(directory.path, 'keys');
    await mkdir(keys);
    await writeFile(path.join(keys, 'good.json'), JSON.stringify(signer.jwk));
    const secret = path.join(keys, 'unreadable.json');
    await writeFile(secret, JSON.stringify((await makeSigner()).jwk));
    await chmod(secret, 0o000);
    await chmod(directory.path, 0o755);
    await using server = await startJwksd(['--keys', keys], {
      cwd: directory.path,
      ...(nobody === undefined ? {} : { uid: nobody }),
    });
    expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual([signer.kid]);
    const warning = await eventually(() => server.log().find(({ level }) => level === 40));
    expect(warning['msg']).toBe(`${secret} cannot be read (EACCES)`);
    expect((await get(`${server.opsUrl}/status`)).text).toContain(`${secret} cannot be read (EACCES)`);
    // Mended without a restart.
    await chmod(secret, 0o644);
    await eventually(
      async () => (await kidsAt(`${server.url}/.well-known/jwks.json`)).length === 2 || undefined,
    );
  },
);
