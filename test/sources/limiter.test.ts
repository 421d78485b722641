import { describe, expect, test } from 'vitest';
import { createLimiter, type Place } from '../../src/sources/limiter.ts';
import { ManualClock, settle } from '../fakes/clock.ts';

const calm: Place = { demand: false, standing: 'good', signal: new AbortController().signal };

/** Tasks that end when they are told to. */
const tasks = (): {
  run: (name: string) => () => Promise<string>;
  end: (name: string) => void;
  begun: string[];
} => {
  const ends = new Map<string, () => void>();
  const begun: string[] = [];
  return {
    begun,
    run: (name) => async () => {
      begun.push(name);
      await new Promise<void>((resolve) => void ends.set(name, resolve));
      return name;
    },
    end: (name) => ends.get(name)?.(),
  };
};

test('no more than the limit run, and the others follow in the order they came', async () => {
  const limit = createLimiter(2, new ManualClock());
  const { run, end, begun } = tasks();
  const all = ['a', 'b', 'c', 'd', 'e'].map(async (name) => await limit(run(name), calm));
  await settle();
  expect(begun).toEqual(['a', 'b']);
  end('b');
  await settle();
  expect(begun).toEqual(['a', 'b', 'c']);
  // A newcomer at the very moment a place is free waits behind the others.
  end('a');
  const late = limit(run('f'), calm);
  await settle();
  expect(begun).toEqual(['a', 'b', 'c', 'd']);
  for (const name of ['c', 'd', 'e', 'f', 'e', 'f']) {
    end(name);
    await settle();
  }
  expect(await Promise.all([...all, late])).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
});

test('a task that throws, now or later, gives its place back', async () => {
  const limit = createLimiter(1, new ManualClock());
  await expect(limit(async () => await Promise.reject(new Error('later')), calm)).rejects.toThrow('later');
  await expect(
    limit(() => {
      throw new Error('now');
    }, calm),
  ).rejects.toThrow('now');
  expect(await limit(async () => await Promise.resolve('free'), calm)).toBe('free');
});

test('demand goes first, then what has not failed', async () => {
  const limit = createLimiter(2, new ManualClock());
  const { run, end, begun } = tasks();
  const all = [
    ['a', calm],
    ['b', calm],
    ['failing', { ...calm, standing: 'failing' }],
    ['failing demand', { ...calm, standing: 'failing', demand: true }],
    ['calm', calm],
    ['demand', { ...calm, demand: true }],
  ] as const;
  const results = all.map(async ([name, place]) => await limit(run(name), place));
  await settle();
  for (const name of ['a', 'demand', 'failing demand', 'calm', 'b', 'failing']) {
    end(name);
    await settle();
  }
  expect(begun).toEqual(['a', 'b', 'demand', 'failing demand', 'calm', 'failing']);
  await Promise.all(results);
});

test('the failing hold at most half of the places, demand included', async () => {
  const limit = createLimiter(8, new ManualClock());
  const { run, begun } = tasks();
  for (let n = 0; n < 20; n += 1) {
    void limit(run(`failing ${n}`), {
      standing: 'failing',
      demand: n % 2 === 1,
      signal: new AbortController().signal,
    });
  }
  await settle();
  expect(begun).toHaveLength(4);
  for (let n = 0; n < 5; n += 1) void limit(run(`calm ${n}`), calm);
  await settle();
  expect(begun.slice(4)).toEqual(['calm 0', 'calm 1', 'calm 2', 'calm 3']);
});

test('tasks that nobody waits for leave a quarter of the places to demand, however long they hang', async () => {
  const limit = createLimiter(8, new ManualClock());
  const { run, end, begun } = tasks();
  for (let n = 0; n < 20; n += 1) void limit(run(`hanging ${n}`), calm);
  await settle();
  expect(begun).toHaveLength(6);
  for (const name of ['a', 'b', 'c']) void limit(run(name), { ...calm, demand: true });
  await settle();
  expect(begun.slice(6)).toEqual(['a', 'b']);
  end('a');
  await settle();
  expect(begun.slice(8)).toEqual(['c']);
  end('b');
  end('c');
  await settle();
  expect(begun).toHaveLength(9);
  end('hanging 0');
  await settle();
  expect(begun.slice(9)).toEqual(['hanging 6']);
});

test('a signal ends the wait, and the place goes to the next in line', async () => {
  const limit = createLimiter(1, new ManualClock());
  const { run, end, begun } = tasks();
  const leaving = new AbortController();
  const first = limit(run('a'), calm);
  const left = limit(run('b'), { ...calm, signal: leaving.signal });
  const last = limit(run('c'), calm);
  await settle();
  leaving.abort();
  expect(await left).toBeUndefined();
  expect(await limit(run('d'), { ...calm, signal: leaving.signal })).toBeUndefined();
  end('a');
  await settle();
  expect(begun).toEqual(['a', 'c']);
  end('c');
  expect(await Promise.all([first, last])).toEqual(['a', 'c']);
});

/** A task that ends when it has to and not before. */
const hang = async (ending: AbortSignal): Promise<void> =>
  await new Promise<void>((resolve) => {
    ending.addEventListener('abort', () => resolve(), { once: true });
  });

describe('beside tasks that hang', () => {
  test.each(['good', 'new'] as const)(
    'one that is not failing begins soon, though a hundred others that are %s came before it',
    async (standing) => {
      const clock = new ManualClock();
      const limit = createLimiter(8, clock);
      for (let n = 0; n < 100; n += 1) void limit(hang, { ...calm, standing });
      const { run, end, begun } = tasks();
      const last = limit(run('healthy'), { ...calm, standing });
      await clock.advance(34_000);
      expect(begun).toEqual(['healthy']);
      end('healthy');
      expect(await last).toBe('healthy');
      // Nobody waits any more that could: what hangs has all its time.
      expect(clock.pending).toBe(0);
    },
  );

  test('demand finds a place while its client waits, though other demand hangs in all of them', async () => {
    const clock = new ManualClock();
    const limit = createLimiter(8, clock);
    for (let n = 0; n < 8; n += 1) void limit(hang, { ...calm, demand: true });
    await clock.advance(100);
    const { run, begun } = tasks();
    void limit(run('healthy'), { ...calm, demand: true });
    await clock.advance(899);
    expect(begun).toEqual([]);
    await clock.advance(1);
    expect(begun).toEqual(['healthy']);
  });

  test('what has keys goes before what never had any', async () => {
    const clock = new ManualClock();
    const limit = createLimiter(8, clock);
    for (let n = 0; n < 100; n += 1) void limit(hang, { ...calm, standing: 'new' });
    const { run, begun } = tasks();
    void limit(run('good'), calm);
    await clock.advance(2000);
    expect(begun).toEqual(['good']);
  });

  test('the failing end nobody, and nobody ends without need', async () => {
    const clock = new ManualClock();
    const limit = createLimiter(8, clock);
    const ended: string[] = [];
    const named = (name: string) => async (ending: AbortSignal) => {
      await hang(ending);
      ended.push(name);
    };
    const leaving = new AbortController();
    for (let n = 0; n < 6; n += 1) void limit(named(`${n}`), calm);
    void limit(named('failing'), { ...calm, standing: 'failing' });
    void limit(named('gone'), { ...calm, signal: leaving.signal });
    await clock.advance(1999);
    leaving.abort();
    await clock.advance(60_000);
    expect(ended).toEqual([]);
    expect(clock.pending).toBe(0);
    // One place is needed, so the longest of all ends, and no other.
    void limit(named('next'), calm);
    await clock.advance(0);
    expect(ended).toEqual(['0']);
  });

  test('a task hears that its source was closed', async () => {
    const limit = createLimiter(1, new ManualClock());
    const closing = new AbortController();
    const closed = limit(hang, { ...calm, signal: closing.signal });
    await settle();
    closing.abort();
    await closed;
  });
});
