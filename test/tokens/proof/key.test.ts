import { generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { describe, expect, test } from 'vitest';
import { privateMembers } from '../../../src/jwk/admit.ts';
import { verifyProof } from '../../../src/tokens/proof/proof.ts';
import {
  algorithms,
  b64,
  cas,
  codeOf,
  makeProof,
  pairOf,
  pairs,
  proved,
  secretsOf,
  signWith,
  strict,
  type Json,
  type Pair,
} from './proofs.ts';

const both = [strict, cas];
const family = (name: string): string => (/^[RP]S/.test(name) ? 'RSA' : name);
const zeros = (text: string): string => b64(Buffer.concat([Buffer.alloc(2), bytes(text)]));
const point = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');
const big = (byte: number, length: number): string => Buffer.alloc(length, byte).toString('base64url');
const bits = (size: number): Pair => pairOf(generateKeyPairSync('rsa', { modulusLength: size }));
const bytes = (value: unknown): Buffer => Buffer.from(String(value), 'base64url');
const rsa = pairs.RSA;
const ec = pairs['P-256'];
const ed = pairs.Ed25519;

describe('private members', () => {
  test.each(algorithms)(
    '%s: a whole private key is refused and no part of it comes back',
    async (alg, kind) => {
      const pair: Pair = pairs[kind];
      for (const context of both) {
        const outcome = await verifyProof(makeProof({ alg, kind, jwk: pair.privateJwk }), context);
        expect(outcome).toMatchObject({ ok: false, error: 'invalid_proof', code: 'private_key_material' });
        expect(secretsOf(pair).length).toBeGreaterThan(0);
        for (const secret of secretsOf(pair)) expect(JSON.stringify(outcome)).not.toContain(secret);
      }
    },
  );

  test.each(privateMembers)('%s alone is one, in any key and in any form', async (name) => {
    for (const value of ['AA', '', null, 0, [], {}]) {
      for (const [alg, pair] of [
        ['RS256', rsa],
        ['ES256', ec],
        ['EdDSA', ed],
      ] as const) {
        const proof = makeProof({ alg, pair, jwk: { ...pair.publicJwk, [name]: value } });
        for (const context of both) expect(await codeOf(proof, context)).toBe('private_key_material');
      }
    }
  });

  test('are told of before anything else that is wrong with the header', async () => {
    const jwk = { kty: 'oct', k: 'c2VjcmV0' };
    for (const header of [{ alg: 'HS256' }, { alg: 'none' }, { x5c: [] }, { kid: 'K' }, { typ: 'JWT' }]) {
      expect(await codeOf(makeProof({ jwk, header }))).toBe('private_key_material');
    }
  });

  test('hidden behind an escaped name are found', async () => {
    const text = JSON.stringify({ ...ec.publicJwk, dd: 'AA' }).replace('"dd"', '"\\u0064"');
    const proof = makeProof({ header: `{"alg":"ES256","typ":"register-key+jwt","jwk":${text}}` });
    expect(await codeOf(proof)).toBe('private_key_material');
  });
});

describe('a key that admission refuses', () => {
  test.each<[string, string, unknown]>([
    ['jwk_missing', 'ES256', undefined],
    ['malformed_key', 'ES256', null],
    ['malformed_key', 'ES256', 'https://evil.example/key.json'],
    ['malformed_key', 'ES256', [ec.publicJwk]],
    ['malformed_key', 'ES256', {}],
    ['malformed_key', 'ES256', { ...ec.publicJwk, kty: 5 }],
    ['unsupported_kty', 'ES256', { ...ec.publicJwk, kty: 'oct' }],
    ['unsupported_kty', 'ES256', { ...ec.publicJwk, kty: 'ec' }],
    ['unsupported_crv', 'ES256', { ...ec.publicJwk, crv: 'P-192' }],
    ['unsupported_crv', 'ES256', { ...ec.publicJwk, crv: '__proto__' }],
    ['malformed_key', 'ES256', { ...ec.publicJwk, y: ec.publicJwk['x'] }],
    ['malformed_key', 'ES256', { ...ec.publicJwk, x: big(0, 32), y: big(0, 32) }],
    ['malformed_key', 'ES256', { ...ec.publicJwk, x: big(0xff, 32) }],
    ['malformed_key', 'ES256', { ...ec.publicJwk, x: b64(bytes(ec.publicJwk['x']).subarray(1)) }],
    [
      'malformed_key',
      'ES256',
      { ...ec.publicJwk, x: b64(Buffer.concat([Buffer.of(1), bytes(ec.publicJwk['x'])])) },
    ],
    ['malformed_key', 'ES256', { ...ec.publicJwk, y: undefined }],
    ['malformed_key', 'ES256', { ...ec.publicJwk, x: `${String(ec.publicJwk['x'])}\0` }],
    ['bad_kid', 'ES256', { ...ec.publicJwk, kid: 'a\0b' }],
    ['bad_kid', 'ES256', { ...ec.publicJwk, kid: 'k'.repeat(1025) }],
    ['not_for_signatures', 'ES256', { ...ec.publicJwk, use: 'enc' }],
    ['not_for_signatures', 'ES256', { ...ec.publicJwk, key_ops: ['sign'] }],
    ['not_for_signatures', 'ES256', { ...ec.publicJwk, key_ops: [] }],
    ['malformed_key', 'ES256', { ...ec.publicJwk, key_ops: 'verify' }],
    ['malformed_key', 'ES256', { ...ec.publicJwk, use: 5 }],
    ['alg_mismatch', 'ES256', { ...ec.publicJwk, alg: 'ES384' }],
    ['alg_mismatch', 'ES256', { ...ec.publicJwk, alg: 5 }],
    ['alg_mismatch', 'ES256', { ...ec.publicJwk, alg: 'ECDH-ES' }],
    ['alg_mismatch', 'RS256', { ...rsa.publicJwk, alg: 'PS256' }],
    ['alg_mismatch', 'RS256', { ...rsa.publicJwk, alg: 'RSA-OAEP' }],
    ['weak_key', 'RS256', { ...rsa.publicJwk, e: 'AQ' }],
    ['weak_key', 'RS256', { ...rsa.publicJwk, e: 'AAAB' }],
    ['weak_key', 'RS256', { ...rsa.publicJwk, e: 'Ag' }],
    ['weak_key', 'RS256', { ...rsa.publicJwk, e: 'AA' }],
    ['weak_key', 'RS256', { ...rsa.publicJwk, e: 'AQAAAAE' }],
    ['weak_key', 'RS256', { ...rsa.publicJwk, n: big(0xfe, 256) }],
    ['weak_key', 'RS256', { ...rsa.publicJwk, n: big(0, 256) }],
    ['oversize_key', 'RS256', { ...rsa.publicJwk, n: big(0xff, 1025) }],
    ['malformed_key', 'RS256', { ...rsa.publicJwk, n: '' }],
    ['malformed_key', 'RS256', { ...rsa.publicJwk, n: 5 }],
    ['weak_key', 'EdDSA', { kty: 'OKP', crv: 'Ed25519', x: point('01'.padEnd(64, '0')) }],
    ['weak_key', 'EdDSA', { kty: 'OKP', crv: 'Ed25519', x: point(''.padEnd(64, '0')) }],
    ['weak_key', 'EdDSA', { kty: 'OKP', crv: 'Ed25519', x: point(`ec${'ff'.repeat(30)}7f`) }],
    ['malformed_key', 'EdDSA', { kty: 'OKP', crv: 'Ed25519', x: point('02'.padEnd(64, '0')) }],
    ['malformed_key', 'EdDSA', { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' }],
    ['unsupported_crv', 'EdDSA', pairs.Ed448.publicJwk],
    ['unsupported_crv', 'EdDSA', pairs.X25519.publicJwk],
    ['unsupported_crv', 'ES256', pairs.secp256k1.publicJwk],
    ['malformed_key', 'ES256', { kty: 'AKP', pub: 'AAAA' }],
    ['alg_mismatch', 'ES256', { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AAAA' }],
  ])('is refused with %s (%s, case %#)', async (code, alg, jwk) => {
    const kind = alg === 'ES256' ? 'P-256' : alg === 'EdDSA' ? 'Ed25519' : 'RSA';
    for (const context of both) expect(await codeOf(makeProof({ alg, kind, jwk }), context)).toBe(code);
  });

  test('RSA with 1024 and with 2047 bits is weak, with whatever it signs', async () => {
    for (const pair of [bits(1024), bits(2047)]) {
      for (const alg of ['RS256', 'PS256']) {
        for (const context of both) expect(await codeOf(makeProof({ alg, pair }), context)).toBe('weak_key');
      }
    }
  });

  test('RSA with 16,384 bits is refused before it costs anything', async () => {
    const jwk = { kty: 'RSA', n: big(0xff, 2048), e: 'AQAB' };
    expect(await codeOf(makeProof({ alg: 'RS256', kind: 'RSA', jwk }), cas)).toBe('oversize_key');
  });

  test('RSA with e = 3 is no such key', async () => {
    const pair = pairOf(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }));
    expect(await codeOf(makeProof({ alg: 'RS256', pair }))).toBe('ok');
  });

  test('RSA with e = 1, whose signatures anyone can make, is refused with such a signature', async () => {
    const jwk = { ...rsa.publicJwk, e: 'AQ' };
    const [head, body] = makeProof({ alg: 'RS256', pair: rsa, jwk }).split('.');
    // s^1 mod n is the padded digest itself.
    const hash = await crypto.subtle.digest('SHA-256', Buffer.from(`${head}.${body}`));
    const info = Buffer.concat([
      Buffer.from('003031300d060960864801650304020105000420', 'hex'),
      Buffer.from(hash),
    ]);
    const forged = Buffer.concat([Buffer.of(0, 1), Buffer.alloc(256 - 2 - info.length, 0xff), info]);
    expect(await codeOf(`${head}.${body}.${b64(forged)}`, cas)).toBe('weak_key');
  });

  test('Ed25519 of small order is refused with the signature that fits any text', async () => {
    const x = b64(Buffer.concat([Buffer.of(1), Buffer.alloc(31)]));
    const [head, body] = makeProof({ alg: 'EdDSA', pair: ed, jwk: { kty: 'OKP', crv: 'Ed25519', x } }).split(
      '.',
    );
    const forged = b64(Buffer.concat([Buffer.of(1), Buffer.alloc(63)]));
    expect(await codeOf(`${head}.${body}.${forged}`, cas)).toBe('weak_key');
  });
});

describe('alg and key', () => {
  test('go together, or the proof is refused', async () => {
    for (const [alg] of algorithms) {
      for (const [signAlg, kind] of algorithms) {
        const fits = alg === signAlg || (alg.startsWith('Ed') && signAlg.startsWith('Ed'));
        const code = family(alg) === family(signAlg) ? 'bad_signature' : 'alg_mismatch';
        const proof = makeProof({ alg, signAlg, kind });
        expect([alg, signAlg, await codeOf(proof)]).toEqual([alg, signAlg, fits ? 'ok' : code]);
      }
    }
  });

  test('a curve that is not that of alg is called so, also where the jwk repeats the alg', async () => {
    const jwk = { ...pairs['P-384'].publicJwk, alg: 'ES256' };
    expect(await codeOf(makeProof({ alg: 'ES256', signAlg: 'ES384', kind: 'P-384', jwk }))).toBe(
      'alg_mismatch',
    );
  });

  test('EdDSA and Ed25519 are one algorithm; the key is stored with the one of the header', async () => {
    for (const [alg, named] of [
      ['EdDSA', 'Ed25519'],
      ['Ed25519', 'EdDSA'],
    ] as const) {
      const { key } = await proved(makeProof({ alg, pair: ed, jwk: { ...ed.publicJwk, alg: named } }));
      expect(key.jwk.alg).toBe(alg);
    }
  });
});

describe('the signature', () => {
  test('is made with the very key of the header', async () => {
    const other = pairOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
    for (const context of both) {
      expect(await codeOf(makeProof({ pair: ec, signer: other.privateKey }), context)).toBe('bad_signature');
      expect(await codeOf(makeProof({ pair: ec, jwk: other.publicJwk }), context)).toBe('bad_signature');
    }
  });

  test('of zeros (CVE-2022-21449), in DER, too long or too short, or with HMAC is none', async () => {
    const [head, body, good] = makeProof({ pair: ec }).split('.');
    const der = signWith('RS256', ec.privateKey, `${head}.${body}`);
    const signatures = [
      Buffer.alloc(64),
      Buffer.alloc(64, 0xff),
      Buffer.concat([bytes(good).subarray(0, 32), Buffer.alloc(32)]),
      Buffer.concat([bytes(good), Buffer.of(0)]),
      bytes(good).subarray(1),
      Buffer.from([0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00]),
      der.subarray(0, 63),
    ];
    for (const signature of signatures) {
      expect(await codeOf(`${head}.${body}.${b64(signature)}`)).toBe('bad_signature');
    }
  });

  test('is spelled in one way: no other text of a proof is a proof', async () => {
    const proof = makeProof({ alg: 'RS256', pair: rsa });
    const last = proof.at(-1) ?? '';
    // 256 bytes leave four bits of the last character unused.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const respelled = proof.slice(0, -1) + (alphabet[alphabet.indexOf(last) + 1] ?? '');
    expect(bytes(respelled.split('.')[2])).toEqual(bytes(proof.split('.')[2]));
    expect(await codeOf(respelled)).toBe('not_compact');
  });
});

describe('respellings of one key', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const stray = (text: string): string => {
    const unused = { 0: 0, 2: 15, 3: 3 }[text.length % 4] ?? 0;
    return text.slice(0, -1) + (alphabet[alphabet.indexOf(text.at(-1) ?? 'A') | unused] ?? '');
  };
  const spellings: readonly [string, (text: string) => string][] = [
    ['padded', (text) => text.padEnd(Math.ceil(text.length / 4) * 4, '=')],
    ['in the standard alphabet', (text) => bytes(text).toString('base64')],
    ['with line breaks', (text) => text.replaceAll(/.{10}/g, '$&\r\n')],
    ['with spaces around', (text) => ` ${text} `],
    ['with stray trailing bits', stray],
    ['with leading zeros', zeros],
  ];

  test.each(spellings)('%s: refused in strict mode, the same key in that of CAS', async (_how, respell) => {
    let changed = 0;
    for (const [alg, kind] of algorithms) {
      const jwk: Json = { ...pairs[kind].publicJwk };
      for (const name of ['n', 'e', 'x', 'y']) {
        const isPoint = kind === 'Ed25519' && respell === zeros;
        if (typeof jwk[name] === 'string' && !isPoint) jwk[name] = respell(jwk[name]);
      }
      if (JSON.stringify(jwk) === JSON.stringify(pairs[kind].publicJwk)) continue;
      changed += 1;
      const proof = makeProof({ alg, kind, jwk });
      expect(await codeOf(proof)).toBe('not_canonical');
      const { key, jkt } = await proved(proof, cas);
      expect(jkt).toBe(await calculateJwkThumbprint(pairs[kind].publicJwk));
      expect(key.jwk).toEqual({ ...pairs[kind].publicJwk, kid: jkt, use: 'sig', alg });
    }
    expect(changed).toBeGreaterThan(2);
  });

  test('one coordinate with leading zeros is enough to be refused; one too short is no key', async () => {
    for (const name of ['x', 'y']) {
      const long = { ...ec.publicJwk, [name]: zeros(String(ec.publicJwk[name])) };
      expect(await codeOf(makeProof({ jwk: long }))).toBe('not_canonical');
      expect(await codeOf(makeProof({ jwk: long }), cas)).toBe('ok');
    }
    for (;;) {
      const pair = pairOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
      const x = bytes(pair.publicJwk['x']);
      if (x[0] !== 0) continue;
      expect(await codeOf(makeProof({ pair }))).toBe('ok');
      for (const context of both) {
        const jwk = { ...pair.publicJwk, x: b64(x.subarray(1)) };
        expect(await codeOf(makeProof({ pair, jwk }), context)).toBe('malformed_key');
      }
      break;
    }
  });
});
