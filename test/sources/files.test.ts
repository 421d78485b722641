import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import {
  mkdir,
  mkdtemp,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FilesSource } from '../../src/sources/files.ts';
import { ManualClock } from '../fakes/clock.ts';
import { ecJwk, jwks, kidsOf, rsaJwk } from '../fakes/keys.ts';
import { createLog } from '../fakes/log.ts';

let directory: string;
let clock: ManualClock;
let source: FilesSource;
let log: ReturnType<typeof createLog>;

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'jwksd-files-'));
  clock = new ManualClock(Date.now());
  open(directory);
});
afterEach(async () => {
  await source.close();
  expect(clock.pending).toBe(0);
  await rm(directory, { recursive: true, force: true });
});

const open = (location: string, rsaAlg?: string): void => {
  log = createLog();
  source = new FilesSource({ name: 'keys', path: location, poll: 2000, rsaAlg }, { clock, log: log.log });
};
const inside = (...names: string[]): string => path.join(directory, ...names);
const write = async (name: string, content: object | string): Promise<void> =>
  await writeFile(inside(name), typeof content === 'string' ? content : JSON.stringify(content));
const start = async (): Promise<void> => await source.start(() => undefined);
/** One poll, as the schedule makes it. */
const poll = async (): Promise<void> => void (await source.refresh('schedule'));
const kids = (): (string | undefined)[] => kidsOf(source.current.keys);
const pem = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    type: 'spki',
    format: 'pem',
  }) as string;

describe('a directory', () => {
  test('gives the keys of its files in the order of their names, before start resolves', async () => {
    await write('2.json', jwks('c', 'b'));
    await write('1.jwk', ecJwk('a'));
    await start();
    expect(source.current).toMatchObject({ state: 'FRESH', required: true });
    expect(kids()).toEqual(['a', 'c', 'b']);
  });

  test('a broken file beside good ones costs nobody but itself, and is told of', async () => {
    await write('1.json', ecJwk('a'));
    await write('2.json', '{"kty":');
    await write('3.json', ecJwk('c'));
    await start();
    expect(source.current.state).toBe('FRESH');
    expect(kids()).toEqual(['a', 'c']);
    expect(source.status().notes.join()).toContain('2.json');
    expect(source.status().rejected).toEqual({ malformed: 1 });
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    await poll();
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  test('names with a dot in front are hidden, and mv rotates', async () => {
    await write('.next.json', ecJwk('next'));
    await write('now.json', ecJwk('now'));
    await start();
    expect(kids()).toEqual(['now']);
    await rename(inside('.next.json'), inside('next.json'));
    await poll();
    expect(kids()).toEqual(['next', 'now']);
    await rename(inside('now.json'), inside('.now.json'));
    await poll();
    expect(kids()).toEqual(['next', 'now']);
    await poll();
    expect(kids()).toEqual(['next']);
  });

  test('directories in it are not entered', async () => {
    await mkdir(inside('old'));
    await writeFile(inside('old', 'a.json'), JSON.stringify(ecJwk('old')));
    await write('a.json', ecJwk('a'));
    await start();
    expect(kids()).toEqual(['a']);
    expect(source.status().notes).toEqual([]);
  });

  test('the same key in two files is there once', async () => {
    await write('1.json', ecJwk('a'));
    await write('2.json', jwks('a', 'b'));
    await start();
    expect(kids()).toEqual(['a', 'b']);
  });

  test('that is not there yet is DOWN, and found when it comes', async () => {
    open(inside('later'));
    await start();
    expect(source.status()).toMatchObject({ state: 'DOWN', lastError: { code: 'not_found' } });
    await mkdir(inside('later'));
    await writeFile(inside('later', 'a.json'), JSON.stringify(ecJwk('a')));
    await poll();
    expect(source.current.state).toBe('FRESH');
  });

  test('a pipe, a socket link and a loop of links do not hang the poll', { timeout: 5000 }, async () => {
    await promisify(execFile)('mkfifo', [inside('0.fifo')]);
    await symlink(inside('0.fifo'), inside('1.link'));
    await symlink(inside('loop-b'), inside('loop-a'));
    await symlink(inside('loop-a'), inside('loop-b'));
    await symlink('/dev/zero', inside('zero'));
    await write('z.json', ecJwk('z'));
    await start();
    expect(kids()).toEqual(['z']);
    const notes = source.status().notes.join('\n');
    for (const told of [
      '0.fifo is not a regular file',
      'loop-a cannot be read (ELOOP)',
      'zero is not a regular',
    ])
      expect(notes).toContain(told);
  });

  test('a file of 100 MB is turned away without reading it', async () => {
    await write('big.json', '');
    await truncate(inside('big.json'), 100 * 1024 * 1024);
    await write('a.json', ecJwk('a'));
    const before = process.memoryUsage().rss;
    await start();
    expect(kids()).toEqual(['a']);
    expect(source.status().notes.join()).toContain('big.json is larger than 16 MiB');
    expect(process.memoryUsage().rss - before).toBeLessThan(50 * 1024 * 1024);
  });

  test.runIf(process.getuid?.() !== 0)(
    'a file without read permission is told of (root can read everything)',
    async () => {
      await writeFile(inside('secret.json'), JSON.stringify(ecJwk('s')), { mode: 0o000 });
      await write('a.json', ecJwk('a'));
      await start();
      expect(kids()).toEqual(['a']);
      expect(source.status().notes.join()).toContain('EACCES');
    },
  );
});

describe('a single file', () => {
  test('is replaced by mv in one poll', async () => {
    await write('keys.json', jwks('a'));
    open(inside('keys.json'));
    await start();
    await write('new', jwks('b'));
    await rename(inside('new'), inside('keys.json'));
    await poll();
    expect(kids()).toEqual(['b']);
  });

  test('that is missing for one poll keeps its keys; for two, they go', async () => {
    await write('keys.json', jwks('a'));
    open(inside('keys.json'));
    await start();
    await unlink(inside('keys.json'));
    await poll();
    expect(source.current.state).toBe('STALE');
    expect(kids()).toEqual(['a']);
    await poll();
    expect(source.current).toMatchObject({ state: 'DOWN', keys: [] });
  });

  test('with a private PEM gives the public half and says where the private one lies', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await write('jwt.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }));
    open(inside('jwt.pem'));
    await start();
    const [key] = source.current.keys;
    expect(key?.pem).toBe(publicKey.export({ type: 'spki', format: 'pem' }));
    expect(key?.json).not.toContain('"d"');
    expect(source.status().notes.join()).toContain(inside('jwt.pem'));
    expect(JSON.stringify([log.lines, source.status()])).not.toContain(
      privateKey.export({ format: 'jwk' })['d'],
    );
  });

  test('of RSA keys gets the alg of the source', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await write('rsa.pem', publicKey.export({ type: 'pkcs1', format: 'pem' }));
    open(inside('rsa.pem'), 'RS256');
    await start();
    expect(source.current.keys[0]?.jwk).toMatchObject({ kty: 'RSA', alg: 'RS256', use: 'sig' });
  });
});

describe('what looks like an accident is not believed', () => {
  test.each([
    ['emptied', ''],
    ['cut in the middle', JSON.stringify(jwks('a', 'b')).slice(0, 100)],
    ['overwritten with a web page', '<html>'],
    ['overwritten with an empty set', '{"keys":[]}'],
  ])('a file that is %s keeps its last good keys, and mending it needs one poll', async (_name, content) => {
    await write('keys.json', jwks('a', 'b'));
    await start();
    await write('keys.json', content);
    for (let n = 0; n < 5; n += 1) await poll();
    expect(source.current.state).toBe('STALE');
    expect(kids()).toEqual(['a', 'b']);
    expect(source.status()).toMatchObject({ consecutiveFailures: 5 });
    expect(source.status().notes.join()).toContain('last 2 good keys stay');
    await write('keys.json', jwks('b'));
    await poll();
    expect(source.current.state).toBe('FRESH');
    expect(kids()).toEqual(['b']);
  });

  test('a PEM file that is read while it is written loses none of its keys', async () => {
    const [one, two, three] = [pem(), pem(), pem()];
    await write('keys.pem', one + two);
    await start();
    const before = kids();
    await write('keys.pem', one + two.slice(0, 60));
    await poll();
    expect(kids()).toEqual(before);
    await write('keys.pem', one + two + three);
    await poll();
    expect(kids()).toEqual([...before, kids()[2]]);
  });

  test('a file that stays as it is with an unreadable part is believed at the next look', async () => {
    const [one, two] = [pem(), pem()];
    await write('keys.pem', one + two);
    await start();
    await write('keys.pem', `${one}-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n`);
    const old = Date.now() / 1000 - 3600;
    await utimes(inside('keys.pem'), old, old);
    clock.stepWall(60_000);
    await poll();
    expect(kids()).toHaveLength(2);
    await poll();
    expect(kids()).toHaveLength(1);
  });

  test('a directory in the place of a file keeps its last good keys', async () => {
    await write('keys.json', jwks('a'));
    await start();
    await unlink(inside('keys.json'));
    await mkdir(inside('keys.json'));
    await poll();
    await poll();
    expect(kids()).toEqual(['a']);
    expect(source.current.state).toBe('STALE');
  });

  test('asking on behalf of a client does not count as a second look at what is missing', async () => {
    await write('keys.json', jwks('a'));
    await write('more.json', jwks('b'));
    await start();
    await unlink(inside('keys.json'));
    await poll();
    await source.refresh('demand');
    await source.refresh('demand');
    expect(kids()).toEqual(['a', 'b']);
    await poll();
    expect(kids()).toEqual(['b']);
  });
});

describe('changes are seen', () => {
  test('when the size and the time of the file stay the same', async () => {
    await write('keys.json', jwks('a'));
    await start();
    const { mtime } = await stat(inside('keys.json'));
    await write('keys.json', jwks('b'));
    await utimes(inside('keys.json'), mtime, mtime);
    await poll();
    expect(kids()).toEqual(['b']);
  });

  test('within one tick of the clock of the file system, any number of times', async () => {
    await write('keys.json', jwks('a'));
    await start();
    for (let n = 0; n < 50; n += 1) {
      writeFileSync(inside('keys.json'), JSON.stringify(jwks(n % 2 === 0 ? 'b' : 'a')));
      await poll();
      expect(kids()).toEqual([n % 2 === 0 ? 'b' : 'a']);
    }
  });

  test('when Kubernetes swaps ..data, with no moment without keys', async () => {
    const volume = async (name: string, ...names: string[]): Promise<void> => {
      await mkdir(inside(name));
      await writeFile(inside(name, 'keys.json'), JSON.stringify(jwks(...names)));
    };
    await volume('..2025_01', 'a');
    await symlink('..2025_01', inside('..data'));
    await symlink(path.join('..data', 'keys.json'), inside('keys.json'));
    await start();
    expect(kids()).toEqual(['a']);
    await volume('..2025_02', 'a', 'b');
    await symlink('..2025_02', inside('..data_tmp'));
    await rename(inside('..data_tmp'), inside('..data'));
    await rm(inside('..2025_01'), { recursive: true });
    await poll();
    expect(source.current.state).toBe('FRESH');
    expect(kids()).toEqual(['a', 'b']);
    await volume('..2025_03');
    await rm(inside('..2025_03', 'keys.json'));
    await symlink('..2025_03', inside('..data_tmp'));
    await rename(inside('..data_tmp'), inside('..data'));
    await poll();
    expect(kids()).toEqual(['a', 'b']);
    await poll();
    expect(kids()).toEqual([]);
  });

  test('and nothing is published when nothing a client can see has changed', async () => {
    await write('keys.json', jwks('a'));
    let told = 0;
    await source.start(() => (told += 1));
    const { keys } = source.current;
    expect(await source.refresh('admin')).toEqual({ ok: true, changed: false });
    await write('keys.json', JSON.stringify(jwks('a'), null, 2));
    expect(await source.refresh('admin')).toEqual({ ok: true, changed: false });
    expect(source.current.keys).toBe(keys);
    expect(told).toBe(1);
    await write('keys.json', jwks('a', 'b'));
    expect(await source.refresh('admin')).toEqual({ ok: true, changed: true });
    expect(told).toBe(2);
  });
});

describe('the schedule', () => {
  test('polls every 2 s and never twice at a time', async () => {
    await write('keys.json', jwks('a'));
    await start();
    expect(source.status()).toMatchObject({ nextAttemptIn: 2000, attempts: { ok: 1 } });
    await Promise.all([source.refresh('admin'), source.refresh('demand'), source.refresh('schedule')]);
    expect(source.status()).toMatchObject({ nextAttemptIn: 2000, attempts: { ok: 2 } });
  });

  test('ends with close, also when a poll is under way', async () => {
    await write('keys.json', jwks('a'));
    await start();
    await write('keys.json', jwks('b'));
    const running = source.refresh('admin');
    await source.close();
    expect(await running).toMatchObject({ ok: false });
    expect(clock.pending).toBe(0);
    expect(kids()).toEqual(['a']);
    await source.refresh('demand');
    expect(clock.pending).toBe(0);
  });
});

/** Another source in place of the one under test, as a reload with another `alg` makes it. */
const reopen = async (): Promise<void> => {
  const before = source;
  const parts = { clock, log: log.log, inherit: () => before.handOver() };
  source = new FilesSource({ name: 'keys', path: directory, poll: 5000, rsaAlg: 'RS256' }, parts);
  await start();
  await before.close();
};

describe('a source that takes the place of another on the same path', () => {
  test('keeps the last good keys of a file that is damaged', async () => {
    await write('1.json', jwks('a'));
    await write('2.json', jwks('b'));
    await start();
    await write('1.json', '');
    await poll();
    await reopen();
    expect(kids()).toEqual(['a', 'b']);
    expect(source.current.state).toBe('STALE');
    await poll();
    expect(kids()).toEqual(['a', 'b']);
  });

  test('reads every file again, with its own options', async () => {
    const { alg: _alg, ...rsa } = rsaJwk('r');
    await write('1.json', rsa);
    await start();
    expect(source.current.keys[0]?.jwk.alg).toBeUndefined();
    await reopen();
    expect(source.current.keys[0]?.jwk.alg).toBe('RS256');
    await unlink(inside('1.json'));
    await poll();
    await poll();
    expect(kids()).toEqual([]);
  });
});
