import { expect, test } from 'vitest';
import { JwksdError } from '../../../../src/errors.ts';
import { SharedRate } from '../../../../src/http/routes/registration/shared-rate.ts';
import { ManualClock } from '../../../fakes/clock.ts';

/** Counters of one window of a minute, which can be away. */
const shared = () => {
  const clock = new ManualClock();
  const asked = new Map<string, number>();
  const counters = {
    away: false,
    asked,
    hit: async (name: string, windowMs: number) => {
      if (counters.away) throw await Promise.resolve(new JwksdError('store_unavailable', 'away'));
      const count = (asked.get(name) ?? 0) + 1;
      asked.set(name, count);
      return { count, left: windowMs - (clock.now() % windowMs) };
    },
  };
  return { clock, counters, rate: new SharedRate(counters, clock) };
};

test('a flood beyond its limit is not asked about until its window ends', async () => {
  const { clock, counters, rate } = shared();
  const counts: number[] = [];
  for (let n = 0; n < 100; n += 1) counts.push((await rate.hit('a', 60_000, 3)).current);
  expect(counts).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
  expect(counters.asked.get('a')).toBe(4);
  // Others are counted together as before.
  expect((await rate.hit('b', 60_000, 3)).current).toBe(1);
  const { ttl } = await rate.hit('a', 60_000, 3);
  await clock.advance(ttl - 1);
  expect((await rate.hit('a', 60_000, 3)).ttl).toBe(1);
  expect(counters.asked.get('a')).toBe(4);
  counters.asked.clear();
  await clock.advance(1);
  expect((await rate.hit('a', 60_000, 3)).current).toBe(1);
});

test('while the counters are away each name is counted here, in windows, and together again afterwards', async () => {
  const { clock, counters, rate } = shared();
  counters.away = true;
  for (const count of [1, 2, 3]) {
    expect(await rate.hit('a', 60_000, 5)).toEqual({ current: count, ttl: 60_000 });
  }
  expect((await rate.hit('b', 60_000, 5)).current).toBe(1);
  await clock.advance(60_000);
  expect((await rate.hit('a', 60_000, 5)).current).toBe(1);
  counters.away = false;
  expect((await rate.hit('a', 60_000, 5)).current).toBe(1);
  expect(counters.asked.get('a')).toBe(1);
});

test('a mistake of the counters is not taken for their absence', async () => {
  const rate = new SharedRate(
    { hit: async () => await Promise.reject(new TypeError('x')) },
    new ManualClock(),
  );
  await expect(rate.hit('a', 1000, 5)).rejects.toThrow(TypeError);
});
