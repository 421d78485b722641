import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JwksdError } from '../../src/errors.ts';
import { privateMembers } from '../../src/jwk/admit.ts';
import { decodeRecord, encodeRecord, newRecord, revokedRecord } from '../../src/stores/record.ts';
import { revocationReasons } from '../../src/stores/store.ts';
import { ManualClock } from '../fakes/clock.ts';
import { keyOf, registrationOf } from './conformance.ts';

const clock = new ManualClock();
const text = fc.string({
  unit: fc.integer({ min: 0, max: 0xff_ff }).map((code) => String.fromCharCode(code)),
});

describe('a record as text', () => {
  test('is ASCII without NUL and is read as it was, whatever client id and label hold', () => {
    fc.assert(
      fc.property(
        text,
        fc.option(text, { nil: undefined }),
        fc.constantFrom(undefined, ...revocationReasons),
        (clientId, label, reason) => {
          const made = newRecord(registrationOf(clock, clientId, keyOf('a'), { label }), clock.wall());
          const record = reason === undefined ? made : revokedRecord(made, reason, clock.wall());
          const encoded = encodeRecord(record);
          expect(encoded).toMatch(/^[\u0020-\u007e]*$/u);
          expect(decodeRecord(encoded)).toEqual(record);
        },
      ),
      { seed: 5 },
    );
  });

  test('that somebody wrote a private member into is read without it', () => {
    const record = newRecord(registrationOf(clock, 'app', keyOf('a')), clock.wall());
    for (const name of privateMembers) {
      const tampered = encodeRecord(record).replace('"kty"', `"${name}":"c2VjcmV0","kty"`);
      expect(tampered).toContain(`"${name}"`);
      expect(decodeRecord(tampered)).toEqual(record);
    }
  });

  test('that is damaged is refused, and never half a record', () => {
    const encoded = encodeRecord(newRecord(registrationOf(clock, 'app', keyOf('a')), clock.wall()));
    fc.assert(
      fc.property(fc.nat(encoded.length - 1), fc.constantFrom('', 'x', '"', ','), (at, insert) => {
        const damaged = encoded.slice(0, at) + insert;
        expect(() => decodeRecord(damaged)).toThrow(JwksdError);
      }),
      { seed: 6 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => decodeRecord(JSON.stringify(value))).toThrow(JwksdError);
      }),
      { seed: 7 },
    );
  });
});
