import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseCoding, prefers } from '../../src/http/negotiate.ts';

const jwkSet = (accept?: string): boolean => prefers(accept, 'application/jwk-set+json', 'application/json');
const both = { gzip: {}, br: {} };

describe('a media type is chosen only when it is named', () => {
  test.each([
    ['application/jwk-set+json'],
    ['Application/JWK-Set+JSON;charset=utf-8'],
    ['application/jwk-set+json, application/json'],
    ['application/jwk-set+json, application/json;q=0.9, */*;q=0.1'],
    ['application/jwk-set+json;q=0.5, */*;q=0.1'],
  ])('%s', (accept) => expect(jwkSet(accept)).toBe(true));

  test.each([
    [undefined],
    ['*/*'],
    ['application/*'],
    ['application/json'],
    ['text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2'],
    ['application/jwk-set+json;q=0'],
    ['application/jwk-set+json;q=banana'],
    ['application/jwk-set+json;q=0.5, application/json'],
    ['application/jwk-set+json;q=0.5, */*'],
    [''],
    [',,;;q=,'],
  ])('not: %s', (accept) => expect(jwkSet(accept)).toBe(false));
});

describe('a content coding is used only when it is asked for', () => {
  test.each([
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['*', 'identity'],
    ['deflate', 'identity'],
    ['gzip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['gzip, deflate, br', 'br'],
    ['gzip, br;q=0.5', 'gzip'],
    ['gzip;q=0', 'identity'],
    ['gzip;q=0.5, identity', 'identity'],
    ['gzip, identity;q=0.5', 'gzip'],
    ['gzip, identity', 'gzip'],
    // Identity refused and nothing else named: anything that is left.
    ['identity;q=0, *', 'br'],
    ['identity;q=0, br;q=0, *;q=0.1', 'gzip'],
    // Nothing acceptable at all: identity, never 406.
    ['identity;q=0', 'identity'],
    ['*;q=0', 'identity'],
    ['br;q=0, *;q=0', 'identity'],
  ])('%s gives %s', (header, coding) => expect(chooseCoding(header, both)).toBe(coding));

  test('a coding without a copy is never chosen', () => {
    expect(chooseCoding('br, gzip;q=0.5', { gzip: {} })).toBe('gzip');
    expect(chooseCoding('br, gzip', {})).toBe('identity');
  });

  test('no header throws', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        expect(['identity', 'gzip', 'br']).toContain(chooseCoding(header, both));
        expect(typeof jwkSet(header)).toBe('boolean');
      }),
    );
  });
});
