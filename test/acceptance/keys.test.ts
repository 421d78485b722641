import { createPrivateKey, createPublicKey, type JsonWebKey } from 'node:crypto';
import { cp, readdir, readFile, rm, stat, symlink, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../cli/world.ts';
import { runJwksd, temporaryDirectory, type Finished } from '../fakes/jwksd.ts';
import { mayMount, smallDisk } from '../fakes/small-disk.ts';

const preload = path.join(import.meta.dirname, 'keys-crash.mjs');
const modeOf = async (file: string): Promise<string> => ((await stat(file)).mode & 0o7777).toString(8);
const generate = async (
  cwd: string,
  argv: readonly string[],
  more: { umask?: number; env?: Record<string, string> } = {},
): Promise<Finished> => await runJwksd(['keys', 'generate', ...argv], { cwd, ...more });

type Set = { keys: (JsonWebKey & { kid: string })[] };

const pub = (key: JsonWebKey): string =>
  createPublicKey({ key, format: 'jwk' }).export({ format: 'jwk' }).x ?? '';

/** What is in a directory; fails for a file that is not whole. */
const look = async (directory: string) => {
  const read = async (name: string): Promise<string | undefined> =>
    await readFile(path.join(directory, name), 'utf8').catch(() => undefined);
  const pem = await read('keys/mine_private.pem');
  const jwk = await read('outputs/mine_public.jwk.json');
  const set = await read('outputs/jwks.json');
  return {
    pem,
    signer:
      pem === undefined ? undefined : createPublicKey(createPrivateKey(pem)).export({ format: 'jwk' }).x,
    shown: jwk === undefined ? undefined : pub(JSON.parse(jwk) as JsonWebKey),
    set: set === undefined ? [] : (JSON.parse(set) as Set).keys.map((key) => pub(key)),
  };
};

const hidden = async (directory: string): Promise<string[]> =>
  (await readdir(directory, { recursive: true })).filter((name) => path.basename(name).startsWith('.'));

const crashAt = async (directory: string, argv: readonly string[], at: number): Promise<Finished> =>
  await generate(directory, argv, {
    env: { NODE_OPTIONS: `--import=${preload}`, JWKSD_TEST_CRASH_AT: String(at) },
  });

const everyCrash = async (
  prepare: (directory: string) => Promise<void>,
  argv: readonly string[],
  check: (directory: string, at: number) => Promise<void>,
): Promise<number> => {
  await using base = await temporaryDirectory();
  const start = path.join(base.path, 'start');
  await mkdir(start);
  await prepare(start);
  const copy = async (name: string): Promise<string> => {
    const to = path.join(base.path, name);
    await cp(start, to, { recursive: true });
    return to;
  };
  const whole = await crashAt(await copy('whole'), argv, 0);
  expect(whole.code, whole.stderr).toBe(0);
  const changes = Number(/changes: (\d+)/u.exec(whole.stderr)?.[1]);
  const rest = Array.from({ length: changes }, (_, index) => index + 1);
  const worker = async (): Promise<void> => {
    for (let at = rest.shift(); at !== undefined; at = rest.shift()) {
      const directory = await copy(String(at));
      const crashed = await crashAt(directory, argv, at);
      expect(crashed.code, `change ${at}: ${crashed.stderr}`).toBeNull();
      await check(directory, at);
    }
  };
  await Promise.all([worker(), worker()]);
  return changes;
};

describe('a crash at any change of the file system', () => {
  test('leaves no pair or a whole one once the next run is over, and no leftovers', async () => {
    const outcomes = new Set<string>();
    const changes = await everyCrash(
      async (directory) => void (await run(['keys', 'generate', '--name', 'old'], { cwd: directory })),
      ['--name', 'mine'],
      async (directory, at) => {
        await look(directory);
        const next = await run(['keys', 'generate', '--name', 'next'], { cwd: directory });
        expect([at, next.code, next.stderr]).toEqual([at, 0, expect.any(String)]);
        const { signer, shown, set } = await look(directory);
        expect([at, shown, set.length]).toEqual([at, signer, signer === undefined ? 2 : 3]);
        if (signer !== undefined) expect(set).toContain(signer);
        expect([at, await hidden(directory)]).toEqual([at, []]);
        outcomes.add(signer === undefined ? 'old' : 'new');
        if (next.stderr.includes('interrupted')) outcomes.add('completed');
      },
    );
    expect(changes).toBeGreaterThan(20);
    expect([...outcomes].sort()).toEqual(['completed', 'new', 'old']);
  }, 120_000);

  test('while a pair is replaced: the private key in place is always published', async () => {
    const outcomes = new Set<string>();
    await using directory = await temporaryDirectory();
    await run(['keys', 'generate', '--name', 'mine'], { cwd: directory.path });
    const { signer: old } = await look(directory.path);
    await everyCrash(
      async (start) => await cp(directory.path, start, { recursive: true }),
      ['--name', 'mine', '--force'],
      async (at, step) => {
        const crashed = await look(at);
        expect(crashed.signer).toBeDefined();
        expect(crashed.set, `change ${step}`).toContain(crashed.signer);
        expect((await run(['keys', 'generate', '--name', 'next'], { cwd: at })).code).toBe(0);
        const { signer, shown, set } = await look(at);
        expect([step, shown, set.length, set.includes(signer ?? '')]).toEqual([step, signer, 2, true]);
        expect([step, await hidden(at)]).toEqual([step, []]);
        outcomes.add(signer === old ? 'old' : 'new');
      },
    );
    expect([...outcomes].sort()).toEqual(['new', 'old']);
  }, 120_000);
});

test('runs at the same time lose no key', async () => {
  await using directory = await temporaryDirectory();
  const names = Array.from({ length: 8 }, (_, index) => `n${index}`);
  const runs = await Promise.all(names.map(async (name) => await generate(directory.path, ['--name', name])));
  expect(runs.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual(names.map(() => 0));
  const set = JSON.parse(await readFile(path.join(directory.path, 'outputs/jwks.json'), 'utf8')) as Set;
  expect(new Set(set.keys.map(({ kid }) => kid)).size).toBe(names.length);
  expect(await hidden(directory.path)).toEqual([]);
});

test('runs at the same time for one name: one makes the pair, the others say that it exists', async () => {
  await using directory = await temporaryDirectory();
  const runs = await Promise.all(
    [1, 2, 3, 4].map(async () => await generate(directory.path, ['--name', 'mine'])),
  );
  expect(runs.map(({ code }) => String(code)).sort()).toEqual(['0', '1', '1', '1']);
  for (const { code, stderr } of runs) if (code === 1) expect(stderr).toContain('not overwritten');
  const { signer, shown, set } = await look(directory.path);
  expect([shown, set]).toEqual([signer, [signer]]);
});

test.each([0o000, 0o022, 0o077, 0o777])('modes are as documented under umask %o', async (umask) => {
  await using directory = await temporaryDirectory();
  // Whoever may write nothing at all, as umask 777 has it, cannot be root.
  const { code, stderr } = await generate(directory.path, ['--dir', 'a/b'], { umask });
  if (umask === 0o777 && process.getuid?.() !== 0 && code !== 0) return;
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  const at = (name: string): string => path.join(directory.path, 'a/b', name);
  expect(await modeOf(at('keys'))).toBe('700');
  expect(await modeOf(at('keys/key_private.pem'))).toBe('600');
  expect(await modeOf(at('outputs'))).toBe('755');
  expect(await modeOf(at('outputs/key_public.jwk.json'))).toBe('644');
  expect(await modeOf(at('outputs/jwks.json'))).toBe('644');
});

test('directories and a set that are symbolic links are followed, and stay links', async () => {
  await using directory = await temporaryDirectory();
  const at = (name: string): string => path.join(directory.path, name);
  await mkdir(at('real-keys'), { mode: 0o755 });
  await mkdir(at('real-outputs'));
  await mkdir(at('www'));
  await writeFile(at('www/set.json'), '{"keys":[]}');
  await symlink('real-keys', at('keys'));
  await symlink('real-outputs', at('outputs'));
  await symlink('../www/set.json', at('real-outputs/jwks.json'));
  const { code, stderr } = await generate(directory.path, []);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('chmod 700');
  expect(await modeOf(at('real-keys'))).toBe('755');
  expect(await modeOf(at('real-keys/key_private.pem'))).toBe('600');
  expect((JSON.parse(await readFile(at('www/set.json'), 'utf8')) as Set).keys).toHaveLength(1);
  expect(await hidden(directory.path)).toEqual([]);
  await rm(at('www/set.json'));
  const dangling = await generate(directory.path, ['--name', 'two']);
  expect([dangling.code, dangling.stderr]).toEqual([1, expect.stringContaining('leads nowhere')]);
});

test.skipIf(!mayMount)(
  'a full disk: the files are the old ones, nothing is left behind, and the error says so (needs the right to mount a tmpfs)',
  async () => {
    await using disk = await smallDisk();
    expect((await generate(disk.path, ['--name', 'mine'])).code).toBe(0);
    const before = await look(disk.path);
    await disk.fill();
    for (const argv of [
      ['--name', 'mine', '--force'],
      ['--name', 'two'],
    ]) {
      const { code, stderr } = await generate(disk.path, argv);
      expect([code, stderr]).toEqual([1, expect.stringContaining('no room')]);
      expect(await look(disk.path)).toEqual(before);
    }
    await disk.free();
    expect((await generate(disk.path, ['--name', 'mine', '--force'])).code).toBe(0);
    expect((await look(disk.path)).signer).not.toBe(before.signer);
    expect(await hidden(disk.path)).toEqual([]);
  },
);

test('a device that is full is told, and stays a device', async () => {
  const { code, stderr } = await runJwksd(['keys', 'convert', 'package.json', '-o', '/dev/full']);
  expect([code, stderr]).toEqual([1, expect.stringContaining('package.json')]);
  await using directory = await temporaryDirectory();
  await generate(directory.path, []);
  const full = await runJwksd(['keys', 'convert', 'outputs/jwks.json', '-o', '/dev/full', '--force'], {
    cwd: directory.path,
  });
  expect([full.code, full.stderr]).toEqual([1, expect.stringContaining('ENOSPC')]);
  expect((await stat('/dev/full')).isCharacterDevice()).toBe(true);
});
