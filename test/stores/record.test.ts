import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JwksdError } from '../../src/errors.ts';
import { privateMembers } from '../../src/jwk/admit.ts';
import { positionOf } from '../../src/stores/cursor.ts';
import { decodeRecord as decode, encodeRecord, newRecord, revokedRecord } from '../../src/stores/record.ts';
import { revocationReasons, type RegisteredKey } from '../../src/stores/store.ts';
import { ManualClock } from '../fakes/clock.ts';
import { keyOf, registrationOf } from './conformance.ts';

const clock = new ManualClock();
const text = fc.string({
  unit: fc.integer({ min: 0, max: 0xff_ff }).map((code) => String.fromCharCode(code)),
});

const decodeRecord = (stored: string, clientId = 'app', jkt = keyOf('a').thumbprint): RegisteredKey =>
  decode({ text: stored, position: positionOf(clientId, jkt) });

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
          expect(decodeRecord(encoded, clientId)).toEqual(record);
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
  test('is refused when its key is not, to the letter, the one that was proved, or stands elsewhere', () => {
    const record = newRecord(registrationOf(clock, 'app', keyOf('a')), clock.wall());
    const encoded = encodeRecord(record);
    const other = keyOf('b').jwk;
    const { jwk } = record;
    const damage: readonly [string, string][] = [
      ['"EC"', '"XC"'],
      [String(jwk.x), `AAAA${String(jwk.x).slice(4)}`],
      [String(jwk.y), String(other.y)],
      [String(jwk.kid), keyOf('b').thumbprint],
      ['"ES256"', '"ES384"'],
      ['"ES256"', '"XS256"'],
      ['"alg":"ES256",', ''],
      ['"sig"', '"enc"'],
      ['"client":"app"', '"client":"abb"'],
    ];
    for (const [from, to] of damage) {
      const damaged = encoded.replace(from, to);
      expect(damaged).not.toBe(encoded);
      expect(() => decodeRecord(damaged), to).toThrow(JwksdError);
    }
    expect(decodeRecord(encoded)).toEqual(record);
    expect(() => decodeRecord(encoded, 'another')).toThrow(JwksdError);
    expect(() => decodeRecord(encoded, 'app', keyOf('b').thumbprint)).toThrow(JwksdError);
  });
});
