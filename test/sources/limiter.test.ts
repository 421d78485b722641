import { expect, test } from 'vitest';
import { createLimiter } from '../../src/sources/limiter.ts';
import { settle } from '../fakes/clock.ts';

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
  const all = ['a', 'b', 'c', 'd', 'e'].map(async (name) => await limit(run(name)));
  await settle();
  expect(begun).toEqual(['a', 'b']);
  end('b');
  await settle();
  expect(begun).toEqual(['a', 'b', 'c']);
  // A newcomer at the very moment a place is free waits behind the others.
  end('a');
  const late = limit(run('f'));
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
  await expect(limit(async () => await Promise.reject(new Error('later')))).rejects.toThrow('later');
  await expect(
    limit(() => {
      throw new Error('now');
    }),
  ).rejects.toThrow('now');
  expect(await limit(async () => await Promise.resolve('free'))).toBe('free');
});
