import { describe, expect, test } from 'vitest';
import { isNotModified } from '../../src/http/conditional.ts';

const modified = Date.UTC(1994, 10, 6, 8, 49, 37);
const ask = (headers: Record<string, string>): boolean => isNotModified(headers, '"abc"', modified);

describe('If-None-Match', () => {
  test.each([
    ['"abc"'],
    ['W/"abc"'],
    ['"x", "abc"'],
    ['"x",W/"abc" , "y"'],
    ['*'],
    [' * '],
    ['"a,b", "abc"'],
  ])('%s matches', (header) => expect(ask({ 'if-none-match': header })).toBe(true));

  test.each([['"abcd"'], ['abc'], ['"x", "*"'], [''], ['"ABC"'], ['"abc'], ['"abc-gz"']])(
    '%s does not match',
    (header) => expect(ask({ 'if-none-match': header })).toBe(false),
  );

  test('hides If-Modified-Since', () => {
    const since = 'Sun, 06 Nov 1994 08:49:37 GMT';
    expect(ask({ 'if-none-match': '"other"', 'if-modified-since': since })).toBe(false);
    expect(ask({ 'if-none-match': '"abc"', 'if-modified-since': 'Sun, 06 Nov 1983 08:49:37 GMT' })).toBe(
      true,
    );
  });
});

describe('If-Modified-Since', () => {
  test.each([
    ['Sun, 06 Nov 1994 08:49:37 GMT'],
    ['Sunday, 06-Nov-94 08:49:37 GMT'],
    ['Sun Nov  6 08:49:37 1994'],
    ['Mon, 01 Jan 2035 00:00:00 GMT'],
  ])('%s: not modified', (header) => expect(ask({ 'if-modified-since': header })).toBe(true));

  test.each([
    ['Sun, 06 Nov 1994 08:49:36 GMT'],
    ['Sunday, 06-Nov-94 08:49:36 GMT'],
    ['Sun Nov  6 08:49:36 1994'],
  ])('%s: modified', (header) => expect(ask({ 'if-modified-since': header })).toBe(false));

  test.each([
    ['2035'],
    ['2035-01-01T00:00:00Z'],
    ['Mon, 99 Jan 2035 00:00:00 GMT'],
    [''],
    ['tomorrow'],
    ['1e20'],
  ])('%s is no HTTP date and ignored', (header) => expect(ask({ 'if-modified-since': header })).toBe(false));
});

test('without conditions the answer is sent', () => expect(ask({})).toBe(false));
