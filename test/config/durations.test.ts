import { assert, integer, property, stringMatching } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/config/durations.ts';

describe('durations', () => {
  test.each([
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['007s', 7000],
  ])('%s is %d ms', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  test.each([
    '',
    '5',
    's',
    '5 s',
    ' 5s',
    '5s\n',
    '-5s',
    '1.5h',
    '1e3s',
    '5S',
    '5M',
    '5min',
    '1h30m',
    '5w',
    '٥s',
    '99999d',
  ])('%j is no duration', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test('every duration survives being printed and read again', () => {
    assert(
      property(integer({ min: 0, max: 999_999_999_999 }), (milliseconds) => {
        expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
      }),
    );
  });

  test('no text is read as anything but a safe whole number', () => {
    assert(
      property(stringMatching(/^\d{0,20}(ms|s|m|h|d)$/), (text) => {
        const value = parseDuration(text);
        expect(value === undefined || (Number.isSafeInteger(value) && value >= 0)).toBe(true);
      }),
    );
  });

  test('a duration is printed in its largest exact unit', () => {
    expect([0, 1, 61_000, 300_000, 86_400_000].map((value) => formatDuration(value))).toEqual([
      '0s',
      '1ms',
      '61s',
      '5m',
      '1d',
    ]);
  });
});

describe('sizes', () => {
  test.each([
    ['0B', 0],
    ['512B', 512],
    ['16KiB', 16_384],
    ['1MiB', 1_048_576],
    ['2GiB', 2_147_483_648],
  ])('%s is %d bytes', (text, expected) => {
    expect(parseSize(text)).toBe(expected);
  });

  test.each(['', '5', 'KiB', '1KB', '1MB', '1K', '1kib', '1.5MiB', '-1B', '1 MiB', '100GiB'])(
    '%j is no size',
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );

  test('every size survives being printed and read again', () => {
    assert(
      property(integer({ min: 0, max: 99_999_999_999 }), (bytes) => {
        expect(parseSize(formatSize(bytes))).toBe(bytes);
      }),
    );
  });
});
