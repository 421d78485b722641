import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LastKnownGood } from '../../../src/sources/upstream/last-known-good.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { ecJwk, jwks, kidsOf } from '../../fakes/keys.ts';
import {
  answer,
  failing,
  notModifiedOr,
  rig,
  started,
  type Reply,
  type Rig,
} from '../../fakes/upstream-source.ts';

const url = 'https://idp.example.org/jwks';
const hour = 3_600_000;
let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'jwksd-state-'));
  file = path.join(directory, 'idp.json');
});
afterEach(async () => await rm(directory, { recursive: true }));

const store = (origin = url): LastKnownGood => new LastKnownGood(directory, 'idp', origin);

/** A service that has lived for a while and was closed. */
const remembered = async (
  reply: Reply = answer(jwks('a', 'b'), { etag: '"1"' }),
  clock = new ManualClock(),
): Promise<Rig> => {
  const before = await started([reply], { file: store(), clock });
  await before.source.close();
  return before;
};

/** A service that starts when its upstream is down, `later` milliseconds afterwards. */
const restarted = async (later: number, reply: Reply = failing('connect')): Promise<Rig> => {
  const clock = new ManualClock(new ManualClock().wall() + later);
  const after = rig([reply], { file: store(), clock, firstDelay: 1000 });
  await after.source.start(() => void after.history.push(after.source.current));
  return after;
};

describe('after a restart while the upstream is down', () => {
  test('the same keys in the same order are published before the first fetch, RESTORED', async () => {
    const { source: old } = await started([answer(jwks('b', 'a'))], { file: store() });
    const { keys } = old.current;
    await old.close();
    const { source, network } = await restarted(60_000);
    expect(network.sent).toHaveLength(0);
    expect(source.current.state).toBe('RESTORED');
    expect(source.current.keys.map(({ json }) => json)).toEqual(keys.map(({ json }) => json));
    expect(source.status()).toMatchObject({ age: 60_000, keys: 2 });
  });

  test('they stay through failures until maxStale, counted from the last success before the restart', async () => {
    await remembered();
    const { source, clock } = await restarted(20 * hour);
    await clock.advance(4 * hour - 1);
    expect(source.current).toMatchObject({ state: 'RESTORED' });
    expect(source.current.keys).toHaveLength(2);
    await clock.advance(1);
    expect(source.current).toMatchObject({ state: 'EXPIRED', keys: [] });
  });

  test('the first success confirms them, and its request was unconditional', async () => {
    await remembered();
    const { source, clock, network, states } = await restarted(60_000, notModifiedOr(answer(jwks('a', 'b'))));
    const { keys } = source.current;
    await clock.advance(1000);
    expect(states()).toEqual(['INIT', 'RESTORED', 'FRESH']);
    expect(source.current.keys).toBe(keys);
    expect(network.sent[0]?.ask).not.toHaveProperty('etag');
  });

  test('a key the upstream dropped meanwhile is retired as usual', async () => {
    await remembered();
    const { source, clock } = await restarted(60_000, answer(jwks('a')));
    await clock.advance(1000);
    expect(kidsOf(source.current.keys)).toEqual(['a', 'b']);
    await clock.advance(30_000);
    expect(kidsOf(source.current.keys)).toEqual(['a']);
    await source.close();
  });

  test('a wall clock that goes back a day does not stop the schedule', async () => {
    const { source, clock, network } = await started([answer(jwks('a'))], { file: store() });
    clock.stepWall(-24 * hour);
    await clock.advance(hour);
    expect(network.sent).toHaveLength(13);
    expect(source.status().age).toBe(0);
    await source.close();
  });
});

const expectIgnored = async (later = 60_000): Promise<void> => {
  const { source, lines } = await restarted(later);
  expect(source.current).toMatchObject({ state: 'INIT', keys: [] });
  expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
};

const forge = async (payload: unknown): Promise<void> => {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
  await writeFile(file, `${createHash('sha256').update(text).digest('hex')}\n${text}\n`);
};

const payload = async (): Promise<Record<string, unknown>> =>
  JSON.parse((await readFile(file, 'utf8')).split('\n')[1] ?? '') as Record<string, unknown>;

describe('a file that cannot be trusted is ignored with a warning', () => {
  test('one byte changed', async () => {
    await remembered();
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('"kid":"a"', '"kid":"x"'));
    await expectIgnored();
  });

  test('cut anywhere', async () => {
    await remembered();
    const bytes = await readFile(file);
    for (const length of [0, 1, 64, 65, 66, 200, bytes.length - 2]) {
      await writeFile(file, bytes.subarray(0, length));
      await expectIgnored();
    }
  });

  test('from another URL', async () => {
    const other = await started([answer(jwks('a'))], { file: store('https://other.example') });
    await other.source.close();
    await expectIgnored();
  });

  test('older than maxStale', async () => {
    await remembered();
    await expectIgnored(24 * hour);
  });

  test('of another format, without a date, or without keys', async () => {
    await remembered();
    const good = await payload();
    for (const bad of [
      { ...good, format: 2 },
      { ...good, fetchedAt: 'x' },
      { ...good, fetchedAt: '2025-01-01' },
      { ...good, fetchedAt: null },
      { ...good, fetchedAt: 1e300 },
      { ...good, keys: 7 },
      [],
      'null',
      '{',
    ]) {
      await forge(bad);
      await expectIgnored();
    }
  });

  test('a directory in its place', async () => {
    await mkdir(file);
    await expectIgnored();
  });

  test('keys in it pass the same admission as those of the network', async () => {
    await remembered();
    await forge({
      ...(await payload()),
      keys: [{ ...ecJwk('p'), d: 'AAAA' }, ecJwk('ok'), { kty: 'oct', k: 'x' }],
    });
    const { source } = await restarted(60_000);
    expect(kidsOf(source.current.keys)).toEqual(['ok']);
  });
});

test('a file from the future is believed for an hour', async () => {
  await remembered();
  const { source, clock } = await restarted(-10 * hour);
  expect(source.current.state).toBe('RESTORED');
  await clock.advance(hour - 1);
  expect(source.current.state).toBe('RESTORED');
  await clock.advance(1);
  expect(source.current.state).toBe('EXPIRED');
});

test('a file from a clock a minute ahead counts as new', async () => {
  await remembered();
  const { source } = await restarted(-30_000);
  expect(source.status()).toMatchObject({ state: 'RESTORED', age: 0 });
});

const writtenAt = async (): Promise<number> => (await payloadOf()).fetchedAt;

const payloadOf = async (): Promise<{ fetchedAt: number; keys: { kid: string }[] }> =>
  JSON.parse((await readFile(file, 'utf8')).split('\n')[1] ?? '') as never;

const content = (n: number) => ({
  keys: Array.from({ length: 50 }, (_, k) => ({ ...ecJwk('a'), kid: `${n} ${k}` })),
  url,
  etag: undefined,
  lastModified: undefined,
  fetchedAt: n,
  freshFor: undefined,
  staleIfErrorFor: 0,
});

const written = (n: number) => ({
  ...content(n),
  keys: content(n).keys.map((key) => ({ json: JSON.stringify(key) })),
});

describe('writing', () => {
  test('only this user can read the file, and nothing private or temporary is left', async () => {
    await remembered(answer({ keys: [ecJwk('a'), { ...ecJwk('b'), d: 'SECRET' }] }));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).not.toContain('SECRET');
    expect(await readdir(directory)).toEqual(['idp.json']);
  });

  test('happens on every change, and every 5 minutes when only the time moved', async () => {
    const minutely = { 'cache-control': 'no-cache' };
    const { source, clock, network } = await started([answer(jwks('a'), minutely)], { file: store() });
    const first = clock.wall();
    await clock.advance(4 * 60_000);
    await vi.waitFor(async () => expect(await writtenAt()).toBe(first));
    await clock.advance(60_000);
    await vi.waitFor(async () => expect(await writtenAt()).toBe(first + 5 * 60_000));
    network.answerWith(answer(jwks('a', 'b'), minutely));
    await clock.advance(60_000);
    await source.close();
    expect(await payloadOf()).toMatchObject({ fetchedAt: clock.wall(), keys: [{ kid: 'a' }, { kid: 'b' }] });
  });

  test('that the disk refuses is warned of once and costs nothing', async () => {
    await writeFile(path.join(directory, 'blocked'), '');
    // Below a file nothing can be made, whoever runs this.
    const blocked = new LastKnownGood(path.join(directory, 'blocked', 'state'), 'idp', url);
    const { source, clock, lines } = await started([answer(jwks('a'))], { file: blocked });
    await clock.advance(hour);
    await source.close();
    expect(source.current.keys).toHaveLength(1);
    expect(lines.filter(({ text }) => text.includes('cannot be written'))).toHaveLength(1);
  });

  test('by two processes at once leaves one whole file', async () => {
    const [one, two] = [store(), store()];
    await Promise.all(
      Array.from({ length: 40 }, async (_, n) => await (n % 2 === 0 ? one : two).write(written(n))),
    );
    const read = await store().read();
    expect(read?.keys).toEqual(content(read?.fetchedAt ?? -1).keys);
    expect(await readdir(directory)).toEqual(['idp.json']);
  });

  test('what killed processes left behind is removed, what others are writing is not', async () => {
    const [old, young, foreign] = ['.idp.json.1a.tmp', '.idp.json.2b.tmp', '.idp2.json.1c.tmp'];
    const past = new ManualClock().wall() / 1000 - 2 * 3600;
    for (const name of [old, young, foreign]) {
      await writeFile(path.join(directory, name), '');
      await utimes(path.join(directory, name), past, name === young ? past + 2 * 3600 : past);
    }
    await restarted(0);
    expect((await readdir(directory)).sort()).toEqual([young, foreign]);
  });
});
