import { describe, expect, test } from 'vitest';
import { KeyCache } from '../../src/sources/key-cache.ts';

const generation = (url: string) => ({
  url,
  retiring: [],
  keys: [],
  etag: undefined,
  lastModified: undefined,
});

describe('negative names', () => {
  test.each(['kid', '__proto__', 'constructor', 'hasOwnProperty', '', 'x'.repeat(1000)])(
    '%j is held until its time',
    (name) => {
      const cache = new KeyCache();
      expect(cache.isNegative(name, 0)).toBe(false);
      cache.addNegative(name, 30_000);
      expect(cache.isNegative(name, 29_999)).toBe(true);
      expect(cache.isNegative(name, 30_000)).toBe(false);
      cache.addNegative(name, 60_000);
      expect(cache.isNegative(name, 30_000)).toBe(true);
    },
  );

  test('are bounded, the oldest go first, and none of them ever evicts a generation', () => {
    const cache = new KeyCache(1000);
    const slot = cache.open('idp');
    const kept = generation('https://idp.example.org');
    slot.set(kept);
    for (let n = 0; n < 20_000; n += 1) cache.addNegative(`name ${n}`, 1);
    const held = Array.from({ length: 20_000 }, (_, n) => n).filter((n) => cache.isNegative(`name ${n}`, 0));
    expect(held.length).toBeLessThanOrEqual(1000);
    expect(held.length).toBeGreaterThan(700);
    expect(held.at(-1)).toBe(19_999);
    expect(held[0]).toBe(20_000 - held.length);
    expect(slot.get()).toBe(kept);
  });
});

test('two sources of one name, as in a reload, do not share a generation', () => {
  const cache = new KeyCache();
  const [before, after] = [cache.open('idp'), cache.open('idp')];
  before.set(generation('https://one.example'));
  expect(after.get()).toBeUndefined();
  after.set(generation('https://two.example'));
  before.clear();
  expect(before.get()).toBeUndefined();
  expect(after.get()?.url).toBe('https://two.example');
});
