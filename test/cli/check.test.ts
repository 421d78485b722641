import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeSigner, setOf } from '../acceptance/signer.ts';
import { temporaryDirectory } from '../fakes/jwksd.ts';
import { FakeUpstream, ok, status } from '../fakes/upstream.ts';
import { run } from './world.ts';

interface Report {
  readonly sources: readonly { name: string; state: string; lastError?: { code: string } }[];
  readonly sets: readonly {
    name: string;
    keys: number;
    serves: boolean;
    findings: { code: string; level: string }[];
  }[];
}

test('check of keys that serve ends with 0 and tells sources and sets', async () => {
  await using directory = await temporaryDirectory();
  await run(['keys', 'generate'], { cwd: directory.path });
  const { code, stdout } = await run(['check', '--keys', 'outputs'], { cwd: directory.path });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^keys +files +FRESH +1 +0 /mu);
  expect(stdout).toMatch(/^default +generic +serves +1 +0/mu);
});

test('check of nothing ends with 1 and the reason', async () => {
  await using directory = await temporaryDirectory();
  const { code, stdout } = await run(['check', '--keys', 'nowhere'], { cwd: directory.path });
  expect(code).toBe(1);
  expect(stdout).toContain('DOES NOT SERVE');
  expect(stdout).toMatch(/nowhere.* does not exist/u);
});

test('check asks an upstream once, and leaves nothing behind', async () => {
  const signer = await makeSigner();
  await using upstream = await FakeUpstream.start({ handler: ok(setOf(signer)) });
  await using directory = await temporaryDirectory();
  const argv = ['check', '--upstream', `idp=${upstream.url().href}`, '--json'];
  const { code, stdout } = await run(argv, { cwd: directory.path });
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as Report;
  expect(report.sources).toMatchObject([{ name: 'idp', state: 'FRESH' }]);
  expect(report.sets).toMatchObject([
    { name: 'default', keys: 1, serves: true },
    { name: 'idp', keys: 1, serves: true },
  ]);
  expect(upstream.requests).toHaveLength(1);
  expect(await readdir(directory.path)).toEqual([]);
});

test('check of an upstream that fails ends with 1 and the class of its failure', async () => {
  await using upstream = await FakeUpstream.start({ handler: status(404) });
  await using directory = await temporaryDirectory();
  const argv = ['check', '--upstream', upstream.url().href];
  const { code, stdout } = await run([...argv, '--json'], { cwd: directory.path });
  expect(code).toBe(1);
  expect((JSON.parse(stdout) as Report).sources[0]).toMatchObject({
    state: 'DOWN',
    lastError: { code: 'http_404' },
  });
});

test('check --offline asks nobody, and says so', async () => {
  await using upstream = await FakeUpstream.start({ handler: ok(setOf(await makeSigner())) });
  await using directory = await temporaryDirectory();
  const argv = ['check', '--offline', '--upstream', upstream.url().href];
  const { code, stdout } = await run(argv, { cwd: directory.path });
  expect(stdout).toContain('not checked');
  expect(code).toBe(1);
  expect(upstream.requests).toEqual([]);
});

/** An RSA and an EC key, and a configuration whose set has `more`. */
const write = async (directory: string, more: string): Promise<void> => {
  await mkdir(path.join(directory, 'keys'));
  const [one, two] = [await makeSigner('RS256'), await makeSigner('ES256')];
  await writeFile(path.join(directory, 'keys/1.json'), JSON.stringify(one.jwk));
  await writeFile(path.join(directory, 'keys/2.json'), JSON.stringify(two.jwk));
  await writeFile(
    path.join(directory, 'jwksd.yaml'),
    `sources: { mine: { type: files, path: keys } }\nsets: { default: { sources: [mine], ${more} } }\n`,
  );
};

describe('a set that its clients would not like', () => {
  test('is told with its code; a refused one ends with 1', async () => {
    await using directory = await temporaryDirectory();
    await write(directory.path, 'profile: opencast');
    const { code, stdout } = await run(['check', '-c', 'jwksd.yaml'], { cwd: directory.path });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^default +opencast +DOES NOT SERVE /mu);
  });

  test('ends with 0 on warnings, and with 1 under --strict', async () => {
    await using directory = await temporaryDirectory();
    await write(directory.path, 'profile: generic');
    // A file that is no key is worth a warning.
    await writeFile(path.join(directory.path, 'keys/3.json'), 'no key');
    const argv = ['check', '-c', 'jwksd.yaml'];
    const { code, stdout } = await run(argv, { cwd: directory.path });
    expect(code).toBe(0);
    expect(stdout).toContain('3.json');
    expect((await run([...argv, '--strict'], { cwd: directory.path })).code).toBe(1);
  });
});

test('check lints a set for the clients of its profile, and says what to do', async () => {
  await using directory = await temporaryDirectory();
  const signer = await makeSigner('ES256', 'a name');
  await mkdir(path.join(directory.path, 'keys'));
  await writeFile(path.join(directory.path, 'keys/1.json'), JSON.stringify(signer.jwk));
  const { code, stdout } = await run(['check', '--keys', 'keys'], { cwd: directory.path });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ {2}default: warning kid-not-thumbprint: .+\n {4}next: .+RFC 7638/mu);
  expect((await run(['check', '--keys', 'keys', '--strict'], { cwd: directory.path })).code).toBe(1);
});

test('check names each withheld key with its reason, in the table of all sources and sets', async () => {
  await using directory = await temporaryDirectory();
  await write(directory.path, 'profile: jitsi');
  const argv = ['check', '-c', 'jwksd.yaml'];
  const { code, stdout } = await run(argv, { cwd: directory.path });
  expect(code).toBe(0);
  expect(stdout.match(/^SOURCE OR SET /gmu)).toHaveLength(1);
  expect(stdout).toMatch(/^default +jitsi +serves +1 +1/mu);
  expect(stdout).toMatch(/^ {2}default: withheld \S{43} of mine: not_rsa$/mu);
  const json = await run([...argv, '--json'], { cwd: directory.path });
  expect(JSON.parse(json.stdout)).toMatchObject({
    sets: [{ left: [{ source: 'mine', reason: 'not_rsa' }] }],
  });
  // A profile that leaves out what its clients cannot use does what it is there for.
  expect((await run([...argv, '--strict'], { cwd: directory.path })).code).toBe(0);
});

test('a configuration with problems ends with 2 and all of them, for every command that reads it', async () => {
  await using directory = await temporaryDirectory();
  await writeFile(path.join(directory.path, 'jwksd.yaml'), 'server: { prt: 1 }\nlog: { level: loud }\n');
  for (const argv of [['serve'], ['check'], ['config', 'print']]) {
    const { code, stdout, stderr } = await run([...argv, '-c', 'jwksd.yaml'], { cwd: directory.path });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('server.prt');
    expect(stderr).toContain('log.level');
  }
});
