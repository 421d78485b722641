import { createPrivateKey, createPublicKey } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LintProfile } from '../../src/jwk/findings.ts';
import { lintRules } from '../../src/jwk/lint-rules.ts';
import { placesOf } from '../../src/jwk/lint-places.ts';
import { lintSet } from '../../src/jwk/lint.ts';
import { makeCertificate } from '../fakes/certificate.ts';
import { admitted, bigEndian, littleEndian, pairs, type Jwk } from './helpers.ts';

const lint = (document: string | Uint8Array, profile?: LintProfile) =>
  lintSet(typeof document === 'string' ? Buffer.from(document) : document, { profile });
const setOf = (...keys: readonly unknown[]): string => JSON.stringify({ keys });
const codesOf = (document: string | Uint8Array, profile?: LintProfile): readonly string[] =>
  lint(document, profile).map(({ code }) => code);

const named = (jwk: Jwk, more: Jwk = {}): Jwk => ({
  ...jwk,
  kid: admitted(jwk).thumbprint,
  use: 'sig',
  ...more,
});
const rsa = named(pairs.RSA.publicJwk, { alg: 'RS256' });
const rsaSecrets = { ...rsa, d: pairs.RSA.privateJwk['d'], p: '' };
/** A point of P-256 whose coordinates both begin with a clear bit: the smallest x there is. */
const lowX = {
  kty: 'EC',
  crv: 'P-256',
  x: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAU',
  y: 'RZJDuapYGAb-kTvOmYF63hHKUDxk2aPFM0FcCDJI-8w',
};
const ec = named(lowX, { alg: 'ES256' });
const highBit = {
  ...ec,
  y: bigEndian(
    2n ** 256n -
      2n ** 224n +
      2n ** 192n +
      2n ** 96n -
      1n -
      BigInt(`0x${Buffer.from(lowX.y, 'base64url').toString('hex')}`),
  ),
};

const foreignCertificate = makeCertificate({
  subject: 'other',
  publicKey: createPublicKey({ key: pairs['P-384'].publicJwk as never, format: 'jwk' }),
  signer: createPrivateKey({ key: pairs['P-256'].privateJwk as never, format: 'jwk' }),
}).toString('base64');

describe('a set its clients like', () => {
  test.each([
    ['generic', setOf(rsa, ec)],
    ['jitsi', setOf(rsa)],
    ['opencast', setOf(ec)],
    ['full', setOf(rsa, ec, pairs.X25519.publicJwk)],
  ] as const)('%s: nothing is found', (profile, document) => {
    expect(lint(document, profile)).toEqual([]);
  });
});

describe('errors', () => {
  test.each([
    ['not-utf8', Buffer.from([0x7b, 0xff])],
    ['html', '<html></html>'],
    ['not-json', '{"keys":['],
    ['not-json', ''],
    ['byte-order-mark', `\ufeff${setOf(rsa)}`],
    ['comment', `// keys of ours\n${setOf(rsa)}`],
    ['comment', setOf(rsa).replace('{', '{/* one */')],
    ['keys-missing', '{"Keys":[]}'],
    ['keys-missing', '{"keys":{}}'],
    ['keys-missing', JSON.stringify(rsa)],
    ['private-members', setOf(rsaSecrets)],
    ['symmetric-key', setOf(rsa, { kty: 'oct', k: 'c2VjcmV0', kid: 'hmac' })],
    ['malformed-key', setOf(rsa, 1)],
    ['malformed-key', setOf({ ...ec, y: ec['x'] })],
    ['alg-mismatch', setOf({ ...rsa, alg: 'ES256' })],
    ['null-member', setOf({ ...rsa, x5c: null, vendor: null })],
    ['certificate-mismatch', setOf({ ...rsa, x5c: [foreignCertificate] })],
    ['duplicate-kid', setOf({ ...rsa, kid: ec['kid'] }, { ...rsa, kid: ec['kid'], use: 'enc' })],
    ['weak-key', setOf({ ...rsa, e: 'AQ' })],
    ['weak-key', setOf({ kty: 'OKP', crv: 'Ed25519', x: littleEndian(1n, 32), alg: 'EdDSA' })],
  ])('%s', (code, document) => {
    const errors = lint(document, 'generic').filter(({ level }) => level === 'error');
    expect(errors.map((finding) => finding.code)).toEqual([code]);
  });

  test('a comment inside a text is none', () => {
    expect(codesOf(setOf({ ...rsa, url: 'https://example.org/*"\\"//' }), 'generic')).toEqual([]);
  });

  test('behind a comment or a byte order mark the keys are judged all the same', () => {
    expect(codesOf(`\ufeff/* x */ ${setOf({ ...rsa, alg: 'none' })}`)).toEqual([
      'byte-order-mark',
      'comment',
      'alg-mismatch',
    ]);
  });

  test('one kid for keys of different kty is allowed', () => {
    expect(codesOf(setOf(rsa, { ...ec, kid: rsa['kid'] }), 'generic')).toEqual(['kid-not-thumbprint']);
  });

  test('nothing that is found tells a secret', () => {
    const document = setOf(rsaSecrets, { kty: 'oct', k: 'c2VjcmV0' });
    const told = JSON.stringify(lint(document));
    expect(told).not.toContain(rsaSecrets.d);
    expect(told).not.toContain('c2VjcmV0');
    expect(told).toContain('\\"d\\"');
  });
});

describe('warnings', () => {
  const pq = { kty: 'AKP', alg: 'ML-DSA-44', pub: Buffer.alloc(1312, 7).toString('base64url') };
  test.each([
    ['rsa-too-small', undefined, setOf({ ...rsa, n: bigEndian(2n ** 1023n + 1n) }), 'generic'],
    ['rsa-too-large', undefined, setOf({ ...rsa, n: bigEndian(2n ** 8192n + 1n) }), 'generic'],
    ['unsupported-kty', undefined, setOf({ kty: 'LWE' }), 'generic'],
    ['unsupported-crv', undefined, setOf({ ...ec, crv: 'P-192' }), 'generic'],
    ['bad-kid', undefined, setOf({ ...rsa, kid: 7 }), 'generic'],
    ['kid-not-thumbprint', undefined, setOf({ ...rsa, kid: 'main' }), 'generic'],
    ['empty-set', undefined, setOf(), 'generic'],
    ['akp-key', 'generic', setOf(pq), 'generic'],
    ['alg-ed25519', 'octoka', setOf(named(pairs.Ed25519.publicJwk, { alg: 'Ed25519' })), 'generic'],
    ['mixed-kty', 'opencast', setOf(rsa, ec), 'opencast'],
    ['too-large', 'opencast', setOf(rsa).padEnd(51_200), 'opencast'],
    ['alg-missing', 'opencast', setOf({ ...rsa, alg: undefined }), 'opencast'],
    ['top-bit', 'opencast', setOf({ ...highBit, kid: admitted(highBit).thumbprint }), 'opencast'],
    ['not-rsa', 'jitsi', setOf(ec), 'jitsi'],
    ['kid-missing', 'jitsi', setOf({ ...rsa, kid: undefined }), 'jitsi'],
    ['foreign-member', 'jitsi', JSON.stringify({ keys: [rsa], ttl: 300 }), 'jitsi'],
  ] as const)('%s', (code, client, document, profile) => {
    const [finding, ...others] = lint(document, profile);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ code, level: 'warning' });
    expect(finding?.client).toBe(client);
  });

  test('what troubles only other clients is not told', () => {
    const document = setOf({ ...ec, alg: undefined }, rsa);
    expect(codesOf(document, 'generic')).toEqual([]);
    expect(codesOf(document)).toEqual(['not-rsa', 'alg-missing', 'mixed-kty']);
  });

  test('a long list is cut and the rest counted', () => {
    const findings = lint(setOf(...Array.from({ length: 60 }, () => ({ kty: 'LWE' }))));
    const unsupported = findings.filter(({ code }) => code === 'unsupported-kty');
    expect(unsupported).toHaveLength(51);
    expect(unsupported.at(-1)?.detail).toBe('and 10 more');
  });
});

test('any bytes are judged, with codes of the table', () => {
  const member = fc.dictionary(
    fc.constantFrom('kty', 'kid', 'd', 'n', 'alg', '__proto__', 'x5c'),
    fc.jsonValue(),
  );
  const document = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .array(fc.oneof(member, fc.jsonValue()), { maxLength: 4 })
      .map((keys) => Buffer.from(JSON.stringify({ keys }))),
    fc
      .array(fc.constantFrom('"', '\\', '/', '*', '{', '}', '\n', '//', '/*', '*/'), { maxLength: 30 })
      .map((parts) => Buffer.from(parts.join(''))),
  );
  fc.assert(
    fc.property(document, (bytes) => {
      for (const { code, level } of lintSet(bytes)) expect(lintRules[code].level).toBe(level);
    }),
    { numRuns: 2000 },
  );
});

/** Lints a document of which an earlier copy is known. */
const lintAfter = (previous: string, document: string) =>
  lintSet(Buffer.from(document), { profile: 'generic', previous: Buffer.from(previous) });

describe('an earlier copy of the set', () => {
  const main = { ...ec, kid: 'main' };

  test('tells a kid that stood for another key', () => {
    const findings = lintAfter(setOf(main), setOf({ ...rsa, kid: 'main' }));
    expect(findings).toContainEqual({
      code: 'kid-reused',
      level: 'warning',
      detail: 'this kid stood for another key before',
      kid: 'main',
      index: 0,
    });
  });

  test.each([
    ['the same key', setOf(main)],
    ['another kid', setOf({ ...rsa, kid: 'other' })],
    ['a broken copy', '{"keys":'],
    ['no set', '7'],
  ])('is silent about %s', (_, previous) => {
    expect(lintAfter(previous, setOf(main)).map(({ code }) => code)).toEqual(['kid-not-thumbprint']);
  });
});

/** Where lint finds `code` in a text. */
const place = (text: string, code: string) => {
  const bytes = Buffer.from(text);
  const finding = lintSet(bytes).find((each) => each.code === code);
  return finding === undefined ? 'not found' : placesOf(bytes)(finding);
};

describe('places', () => {
  test.each([
    ['malformed-key', '{"keys": [\n  {"kty": "LWE"},\n  7\n]}', 3, 3],
    ['malformed-key', '\ufeff{"keys":[7]}', 1, 10],
    ['malformed-key', '// {"keys": [1]}\n{ "a": [1, {"keys": [2]}], /* , */ "keys": [ /* x */ 7] }', 2, 54],
    ['malformed-key', '{"keys":[{}],\n"keys":[7]}', 2, 9],
    ['malformed-key', '{"x":"keys",\n"keys":["],[",[8]]}', 2, 9],
    ['comment', '{"url": "http://a",\n  // here\n "keys": []}', 2, 3],
    ['byte-order-mark', '\ufeff{"keys":[]}', 1, 1],
    ['not-json', '{"keys":\n[],}', 2, 4],
  ])('%s in %j', (code, text, line, column) => {
    expect(place(text, code)).toEqual({ line, column });
  });

  test('are unknown for what is about the whole set', () => {
    expect(place('{"keys":[]}', 'empty-set')).toBeUndefined();
  });

  test('any bytes can be asked for places', () => {
    const parts = fc.constantFrom(
      '"',
      '\\',
      '/',
      '*',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"keys"',
      '\n',
      '//',
      '7',
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 40 }), (text) => {
        const bytes = Buffer.from(text.join(''));
        for (const finding of lintSet(bytes)) {
          const { line = 1, column = 1 } = placesOf(bytes)(finding) ?? {};
          expect(Math.min(line, column)).toBeGreaterThan(0);
        }
      }),
    );
  });
});
