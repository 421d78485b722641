import { describe, expect, test } from 'vitest';
import type { ParsedSet } from '../../src/jwk/key.ts';
import { admitEntries, decodeJwkSet, type AdmitSetOptions } from '../../src/jwk/parse-set.ts';
import { pairs } from './helpers.ts';

const ec = pairs['P-256'].publicJwk;
const ed = pairs.Ed25519.publicJwk;
const rsa = pairs.RSA.publicJwk;

const run = (
  entries: readonly unknown[],
  options: Partial<AdmitSetOptions> = {},
): { set: ParsedSet; yields: number } => {
  const { value, yields } = drain(admitEntries(entries, { origin: 'upstream', maxKeys: 1000, ...options }));
  return { set: value, yields };
};

const drain = <T>(generator: Generator<void, T, void>): { value: T; yields: number } => {
  let yields = 0;
  for (;;) {
    const step = generator.next();
    if (step.done === true) return { value: step.value, yields };
    yields += 1;
  }
};

const decode = (text: string | Uint8Array) =>
  drain(decodeJwkSet(typeof text === 'string' ? Buffer.from(text) : text)).value;

describe('decodeJwkSet', () => {
  test('gives the entries as they are', () => {
    expect(decode('{"keys":[{"kty":"RSA"},1,null]}')).toEqual({
      ok: true,
      entries: [{ kty: 'RSA' }, 1, null],
    });
    expect(decode('{"keys":[]}')).toEqual({ ok: true, entries: [] });
  });

  test('strips one byte order mark, not two', () => {
    expect(decode('\ufeff{"keys":[]}').ok).toBe(true);
    expect(decode('\ufeff\ufeff{"keys":[]}')).toMatchObject({ ok: false, code: 'not_json' });
  });

  test.each([
    ['bytes that are not UTF-8', Buffer.from('{"keys":["\xff"]}', 'latin1'), 'not_utf8'],
    ['half a surrogate', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'not_utf8'],
    ['UTF-16', Buffer.from('\ufeff{"keys":[]}', 'utf16le'), 'not_utf8'],
    ['nothing', '', 'not_json'],
    ['a cut-off body', '{"keys":[{"kty":', 'not_json'],
    ['a comment', '{"keys":[]} // ours', 'not_json'],
    ['a page', '\n<!doctype html><title>Sign in</title>', 'html'],
    ['null', 'null', 'not_jwks'],
    ['an array', '[]', 'not_jwks'],
    ['a text', '"keys"', 'not_jwks'],
    ['a single JWK', JSON.stringify(ec), 'not_jwks'],
    ['keys that are an object', '{"keys":{"0":{}}}', 'not_jwks'],
    ['keys that are null', '{"keys":null}', 'not_jwks'],
    ['keys that are inherited', '{"__proto__":{"keys":[]}}', 'not_jwks'],
  ])('%s: refused with its code', (_name, body, code) => {
    expect(decode(body)).toMatchObject({ ok: false, code });
  });

  test('tells nothing of the body', () => {
    const outcome = decode('{"keys": c2VjcmV0 }');
    expect(JSON.stringify(outcome)).not.toContain('c2V');
  });

  test.each(['[', '{"a":', '{"keys":['])('500,000 times %j is a value, not a stack overflow', (open) => {
    expect(decode(open.repeat(500_000))).toMatchObject({ ok: false, code: 'not_json' });
  });

  test('a valid nest of 500,000 is refused or read, never thrown', () => {
    const decoded = decode(`{"keys":[${'['.repeat(500_000)}${']'.repeat(500_000)}]}`);
    if (decoded.ok) expect(run(decoded.entries).set.rejectedCounts).toEqual({ malformed: 1 });
    else expect(decoded.code).toBe('not_json');
  });
});

describe('admitEntries', () => {
  test('one bad key never costs the others', () => {
    const entries = [null, ec, { kty: 'oct', k: 'AA' }, ed, { ...rsa, n: 'AQAB' }, rsa, { kty: 'what' }, 'x'];
    const { set } = run(entries);
    expect(set.keys.map((key) => key.jwk)).toEqual([ec, ed, rsa]);
    expect(set.rejected.map(({ index, reason }) => [index, reason])).toEqual([
      [0, 'malformed'],
      [2, 'private_material'],
      [4, 'weak_key'],
      [6, 'unsupported_kty'],
      [7, 'malformed'],
    ]);
    expect(set.rejectedCounts).toEqual({
      malformed: 2,
      private_material: 1,
      weak_key: 1,
      unsupported_kty: 1,
    });
  });

  test('breathes after every entry', () => {
    expect(run([ec, null, ed]).yields).toBe(3);
    expect(run([]).yields).toBe(0);
  });

  test('entries beyond maxKeys are counted, not read', () => {
    const entries = [ec, ed, ...Array.from({ length: 1_000_000 }, () => rsa)];
    const { set, yields } = run(entries, { maxKeys: 2 });
    expect(set.keys).toHaveLength(2);
    expect(set.rejected).toEqual([expect.objectContaining({ reason: 'over_limit', index: 2 })]);
    expect(set.rejectedCounts).toEqual({ over_limit: 1_000_000 });
    expect(yields).toBe(2);
    expect(run([ec, ed], { maxKeys: 2 }).set.rejectedCounts).toEqual({});
  });

  test('tells of 100 rejections and counts all', () => {
    const { set } = run(Array.from({ length: 500 }, () => null));
    expect(set.rejected).toHaveLength(100);
    expect(set.rejectedCounts).toEqual({ malformed: 500 });
  });

  test('tells of 100 warnings at most', () => {
    const { set } = run(Array.from({ length: 200 }, () => ({ ...ec, kid: 1 })));
    expect(set.warnings).toHaveLength(100);
  });

  test('the same key under the same name is there once, under another name again', () => {
    const { set } = run([
      { ...ec, kid: 'a' },
      { ...ec, kid: 'a', use: 'sig' },
      { ...ec, kid: 'b' },
      ec,
      { ...ec },
      { ...ed, kid: 'a' },
    ]);
    expect(set.keys.map((key) => [key.jwk.kty, key.jwk.kid])).toEqual([
      ['EC', 'a'],
      ['EC', 'b'],
      ['EC', undefined],
      ['OKP', 'a'],
    ]);
  });
});
