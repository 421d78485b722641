import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { freshness, retryAfter, type Headers } from '../../../src/sources/upstream/freshness.ts';

const wall = Date.UTC(2025, 5, 1);
const httpDate = (ms: number): string => new Date(wall + ms).toUTCString();
const remaining = (headers: Headers): number | undefined => freshness(headers, wall).remaining;

describe('freshness from headers that real providers send', () => {
  test.each<[string, Headers, number | undefined]>([
    ['Okta', { 'cache-control': 'max-age=3293198, must-revalidate' }, 3_293_198_000],
    [
      'Keycloak 23',
      { 'cache-control': 'max-age=2592000, must-revalidate, no-transform, public' },
      2_592_000_000,
    ],
    ['Keycloak 22', { 'cache-control': 'no-cache' }, 0],
    [
      'Auth0',
      { 'cache-control': 'public, max-age=15, stale-while-revalidate=15, stale-if-error=86400' },
      15_000,
    ],
    ['Google, behind a cache', { 'cache-control': 'public, max-age=20000', age: '1500' }, 18_500_000],
    ['nothing at all', {}, undefined],
    ['two Cache-Control headers', { 'cache-control': ['max-age=60', 'public'] }, 60_000],
    ['two that differ: the first', { 'cache-control': ['max-age=60', 'max-age=10'] }, 60_000],
    ['two, one of them no-store', { 'cache-control': ['max-age=60', 'no-store'] }, 0],
    ['s-maxage before max-age', { 'cache-control': 'max-age=10, s-maxage=600' }, 600_000],
    ['max-age=0', { 'cache-control': 'max-age=0' }, 0],
    ['upper case and blanks', { 'cache-control': ' Public ,  MAX-AGE=30 ' }, 30_000],
    ['a quoted number', { 'cache-control': 'max-age="30"' }, 30_000],
    ['a negative number', { 'cache-control': 'max-age=-30' }, undefined],
    ['a number with a unit', { 'cache-control': 'max-age=30s' }, undefined],
    ['garbage', { 'cache-control': '=,;max-age,=5,"', expires: undefined }, undefined],
    ['a number of 400 digits', { 'cache-control': `max-age=${'9'.repeat(400)}` }, 2 ** 31 * 1000],
    ['a number beyond 2^31', { 'cache-control': 'max-age=99999999999999' }, 2 ** 31 * 1000],
    ['older than its lifetime', { 'cache-control': 'max-age=60', age: '61' }, 0],
    ['a garbled Age', { 'cache-control': 'max-age=60', age: 'old' }, 60_000],
    ['two Ages', { 'cache-control': 'max-age=60', age: ['10', '20'] }, 50_000],
    ['Expires against Date', { expires: httpDate(90_000), date: httpDate(30_000) }, 60_000],
    ['Expires alone', { expires: httpDate(90_000) }, 90_000],
    ['Expires: 0', { expires: '0' }, 0],
    ['Expires: -1', { expires: '-1' }, 0],
    ['Expires in words', { expires: 'never' }, 0],
    ['Expires in the past', { expires: httpDate(-90_000) }, 0],
    ['max-age before Expires', { 'cache-control': 'max-age=5', expires: httpDate(90_000) }, 5000],
    [
      'an unusable max-age leaves Expires',
      { 'cache-control': 'max-age=x', expires: httpDate(90_000) },
      90_000,
    ],
  ])('%s', (_name, headers, expected) => {
    expect(remaining(headers)).toBe(expected);
  });

  test('whatever the headers are, the result is absent or a usable number', () => {
    const text = fc.oneof(fc.string(), fc.array(fc.string(), { maxLength: 3 }), fc.constant(undefined));
    fc.assert(
      fc.property(text, text, text, text, (cacheControl, expires, age, date) => {
        const found = freshness({ 'cache-control': cacheControl, expires, age, date }, wall);
        for (const value of [found.remaining ?? 0, found.staleIfError]) {
          expect(value).toBeGreaterThanOrEqual(0);
          expect(Number.isFinite(value)).toBe(true);
        }
      }),
    );
  });
});

describe('stale-if-error', () => {
  test.each([
    ['max-age=15, stale-if-error=86400', 86_400_000],
    ['max-age=15', 0],
    ['max-age=15, stale-if-error=86400, must-revalidate', 0],
    ['max-age=15, stale-if-error=x', 0],
  ])('%s', (cacheControl, expected) => {
    expect(freshness({ 'cache-control': cacheControl }, wall).staleIfError).toBe(expected);
  });
});

describe('Retry-After', () => {
  test.each<[string | string[] | undefined, number | undefined]>([
    [undefined, undefined],
    ['', undefined],
    ['soon', undefined],
    ['0', 1000],
    ['7', 7000],
    ['86400', 900_000],
    ['9'.repeat(23), 900_000],
    ['9'.repeat(400), 900_000],
    [httpDate(30_000), 30_000],
    [httpDate(-30_000), 1000],
    [httpDate(9_999_999_999), 900_000],
  ])('%j', (value, expected) => {
    expect(retryAfter({ 'retry-after': value }, wall)).toBe(expected);
  });
});
