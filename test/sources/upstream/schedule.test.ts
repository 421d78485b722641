import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoff, nextRefresh, retryPause, staleAfter } from '../../../src/sources/upstream/schedule.ts';

const defaults = { refreshInterval: 300_000, refreshMin: 60_000, refreshMax: 300_000, jitter: 0.1 };
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('the next refresh', () => {
  test.each([
    ['a quarter of the freshness left', 600_000, 150_000],
    ['no sooner than refreshMin (Auth0, 15 s)', 15_000, 60_000],
    ['no sooner than refreshMin (no-cache)', 0, 60_000],
    ['no later than refreshMax (Okta, 38 days)', 3_293_198_000, 300_000],
    ['refreshInterval when nothing is said', undefined, 300_000],
  ])('%s', (_name, remaining, expected) => {
    expect(nextRefresh(remaining, defaults, 0.5)).toBe(expected);
  });

  test('stays within the jitter around the clamped value, for any freshness', () => {
    const freshness = fc.option(fc.double({ min: 0, max: 2 ** 31 * 1000, noNaN: true }), { nil: undefined });
    fc.assert(
      fc.property(freshness, random, (remaining, at) => {
        const delay = nextRefresh(remaining, defaults, at);
        expect(delay).toBeGreaterThanOrEqual(54_000);
        expect(delay).toBeLessThanOrEqual(330_000);
      }),
    );
  });
});

describe('backoff', () => {
  test.each([
    [false, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]],
    [true, [5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000]],
  ])('doubles up to its cap (keys: %s)', (hasKeys, expected) => {
    expect(expected.map((_, n) => backoff(n + 1, hasKeys, 1))).toEqual(expected);
  });

  test('lies in [half, whole] of that, after any number of failures', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.boolean(), random, (failures, hasKeys, at) => {
        const whole = backoff(failures, hasKeys, 1);
        const delay = backoff(failures, hasKeys, at);
        expect(delay).toBeGreaterThanOrEqual(whole / 2);
        expect(delay).toBeLessThanOrEqual(whole);
        expect(whole).toBeLessThanOrEqual(hasKeys ? 60_000 : 30_000);
      }),
    );
  });
});

test('a retry in the cycle comes after 250 ms to 2 s', () => {
  fc.assert(
    fc.property(random, (at) => {
      expect(retryPause(at)).toBeGreaterThanOrEqual(250);
      expect(retryPause(at)).toBeLessThanOrEqual(2000);
    }),
  );
});

test('keys count as stale after two missed refreshes and a minute', () => {
  expect(staleAfter(defaults)).toBe(660_000);
});
