import { expect, test } from 'vitest';
import { createLimiter, type Place } from '../../src/sources/limiter.ts';
import { settle } from '../fakes/clock.ts';

const calm: Place = { demand: false, failing: false, signal: new AbortController().signal };

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
  const limit = createLimiter(2);
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
  const limit = createLimiter(1);
  await expect(limit(async () => await Promise.reject(new Error('later')), calm)).rejects.toThrow('later');
  await expect(
    limit(() => {
      throw new Error('now');
    }, calm),
  ).rejects.toThrow('now');
  expect(await limit(async () => await Promise.resolve('free'), calm)).toBe('free');
});

test('demand goes first, then what has not failed', async () => {
  const limit = createLimiter(2);
  const { run, end, begun } = tasks();
  const all = [
    ['a', calm],
    ['b', calm],
    ['failing', { ...calm, failing: true }],
    ['failing demand', { ...calm, failing: true, demand: true }],
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
  const limit = createLimiter(8);
  const { run, begun } = tasks();
  for (let n = 0; n < 20; n += 1) {
    void limit(run(`failing ${n}`), {
      failing: true,
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
  const limit = createLimiter(8);
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
  const limit = createLimiter(1);
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
