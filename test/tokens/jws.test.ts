import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { repeatsMember } from '../../src/jwk/json.ts';
import { readObject } from '../../src/tokens/json-object.ts';
import { parseCompactJws } from '../../src/tokens/jws.ts';

const b64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64url');
const header = '{"alg":"ES256"}';
const good = `${b64(header)}.${b64('test')}.${b64('sig!')}`;
const problemOf = (text: string, limit = 8192): string => {
  const parsed = parseCompactJws(text, limit);
  return parsed.ok ? 'ok' : parsed.problem;
};

describe('a compact JWS', () => {
  test('comes apart into header, payload, signature and the bytes that are signed', () => {
    const parsed = parseCompactJws(good, 8192);
    if (!parsed.ok) throw new Error(parsed.detail);
    expect(parsed.jws.alg).toBe('ES256');
    expect(parsed.jws.payload.toString()).toBe('test');
    expect(parsed.jws.signature.toString()).toBe('sig!');
    expect(parsed.jws.signingInput.toString()).toBe(good.slice(0, good.lastIndexOf('.')));
  });

  test('may have the length of the limit and not one character more', () => {
    expect(problemOf(good, good.length)).toBe('ok');
    expect(problemOf(good, good.length - 1)).toBe('too_large');
  });

  test.each([
    ['nothing', ''],
    ['one part', b64(header)],
    ['two parts', `${b64(header)}.${b64('test')}`],
    ['four parts', `${good}.AAAA`],
    ['five parts, as a JWE has', `${good}.AAAA.AAAA`],
    ['a JWS in JSON', '{"payload":"dGVzdA","signatures":[]}'],
    ['white space before', ` ${good}`],
    ['a line feed behind', `${good}\n`],
    ['a line break inside', `${good.slice(0, 8)}\r\n${good.slice(8)}`],
    ['a no-break space', `${good}\u00A0`],
    ['NUL', `${good}\0`],
    ['padding', `${b64(header)}.${b64('test')}.AA==`],
    ['the standard alphabet', `${b64(header)}.${b64('test')}.+/+/`],
    ['bits that belong to no byte', `${b64(header)}.${b64('test')}.AB`],
    ['a single character over', `${b64(header)}.${b64('test')}.AAAAA`],
    ['full-width letters', `${good.slice(0, -1)}\uFF21`],
  ])('is refused with %s', (_what, text) => {
    expect(problemOf(text)).toBe('not_compact');
  });

  const deep = `{"alg":"ES256","x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`;
  test.each([
    ['no JSON', 'alg'],
    ['a list', '["ES256"]'],
    ['null', 'null'],
    ['no alg', '{}'],
    ['an alg that is a list', '{"alg":["ES256"]}'],
    ['an inherited alg', '{"__proto__":{"alg":"ES256"}}'],
    ['alg twice', '{"alg":"ES256","alg":"none"}'],
    ['alg twice, once escaped', '{"alg":"ES256","\\u0061lg":"none"}'],
    ['a member twice further in', '{"alg":"ES256","jwk":{"x":"A","x":"B"}}'],
    ['10,000 brackets', deep],
    ['a comment', '{"alg":"ES256"/**/}'],
    ['NaN', '{"alg":"ES256","n":NaN}'],
    ['NUL behind', '{"alg":"ES256"}\0'],
  ])('is refused when its header has %s', (_what, text) => {
    expect(problemOf(`${b64(text)}.${b64('test')}.AAAA`, 64_000)).toBe('malformed_header');
  });

  test.each([
    ['overlong', [0x22, 0xc0, 0xa2, 0x22]],
    ['half a surrogate pair', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['cut off', [0x22, 0xe2, 0x82, 0x22]],
  ])('is refused when its header is UTF-8 that is %s', (_what, bytes) => {
    const text = Buffer.concat([Buffer.from('{"alg":"ES256","x":'), Buffer.from(bytes), Buffer.from('}')]);
    expect(problemOf(`${b64(text)}.${b64('test')}.AAAA`)).toBe('malformed_header');
  });

  test('of any text is read or refused', () => {
    const part = fc.oneof(fc.string(), fc.json().map(b64), fc.uint8Array().map(b64));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const text = parts.join('.');
        const parsed = parseCompactJws(text, 1000);
        if (parsed.ok) {
          const { signingInput, signature } = parsed.jws;
          expect(`${signingInput.toString()}.${b64(signature)}`).toBe(text);
        }
      }),
      { numRuns: 1000, seed: 5 },
    );
  });
});

describe('a header or a payload', () => {
  test('has no members but its own, whatever their names', () => {
    const read = readObject(Buffer.from('{"__proto__":{"alg":"none"},"constructor":1}'));
    if (!read.ok) throw new Error(read.reason);
    expect(read.members['alg']).toBeUndefined();
    expect(read.members['toString']).toBeUndefined();
    expect(Object.keys(read.members)).toEqual(['__proto__', 'constructor']);
  });

  test('repeats a member only where one object names it twice', () => {
    expect(repeatsMember('{"a":{"b":1},"b":[{"a":1},{"a":1}],"c":"b","d":"d"}')).toBe(false);
    expect(repeatsMember('{"a":"\\"a\\":","b":["a","a"]}')).toBe(false);
    expect(repeatsMember('{"a":1,"b":{"c":[{"d":1}, {"d" : 1 , "d"\n:2}]}}')).toBe(true);
    expect(repeatsMember('{"__proto__":1,"__proto__":2}')).toBe(true);
    expect(repeatsMember('{"":1,"":2}')).toBe(true);
  });

  test('that repeats nothing is never said to', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat({ max: 3 }), (text, indent) => {
        expect(repeatsMember(JSON.stringify(JSON.parse(text), undefined, indent))).toBe(false);
      }),
      { numRuns: 500, seed: 5 },
    );
  });
});
