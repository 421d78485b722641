import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { admitJwk, privateMembers } from '../../src/jwk/admit.ts';
import {
  admitted,
  bigEndian,
  bytesOf,
  littleEndian,
  pairs,
  rejected,
  upstream,
  warningsOf,
  type Jwk,
} from './helpers.ts';

const file = { origin: 'file' } as const;
const rsa = pairs.RSA.publicJwk;
const ec = pairs['P-256'].publicJwk;
const ed = pairs.Ed25519.publicJwk;
const withN = (n: bigint): Jwk => ({ kty: 'RSA', e: 'AQAB', n: bigEndian(n) });
const withE = (e: bigint): Jwk => ({ ...rsa, e: bigEndian(e) });
const kinds = Object.entries(pairs);

describe('the vectors of the RFCs', () => {
  test('RFC 7517 App. A.1: the public keys are admitted as they stand', () => {
    const keys = [
      {
        kty: 'EC',
        crv: 'P-256',
        x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
        y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
        use: 'enc',
        kid: '1',
      },
      {
        kty: 'RSA',
        n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
        e: 'AQAB',
        alg: 'RS256',
        kid: '2011-04-29',
      },
    ];
    for (const key of keys) expect(admitted(key).jwk).toEqual(key);
  });

  test('RFC 8037 App. A.1 and A.2: a private Ed25519 key is refused, its public half admitted', () => {
    const publicJwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
    const privateJwk = { ...publicJwk, d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A' };
    expect(rejected(privateJwk).reason).toBe('private_material');
    expect(admitted(publicJwk).jwk).toEqual(publicJwk);
  });
});

describe('the published form', () => {
  test.each(kinds)('%s: JWK and PEM are byte for byte what OpenSSL exports', (_kind, { publicJwk }) => {
    const key = admitted(publicJwk);
    const reference = createPublicKey({ key: publicJwk as never, format: 'jwk' });
    expect(key.jwk).toEqual(reference.export({ format: 'jwk' }));
    expect(key.pem).toBe(reference.export({ type: 'spki', format: 'pem' }));
  });

  test.each([2048, 2049, 2055, 2056, 4096, 8192])(
    'the PEM of an RSA key of %i bits is what OpenSSL writes',
    (bits) => {
      for (const e of [3n, 129n, 32_769n, 65_537n, 2n ** 31n + 1n]) {
        const jwk = { kty: 'RSA', n: bigEndian(2n ** BigInt(bits - 1) + 1n), e: bigEndian(e) };
        const reference = createPublicKey({ key: jwk as never, format: 'jwk' });
        expect(admitted(jwk).pem).toBe(reference.export({ type: 'spki', format: 'pem' }));
      }
    },
  );

  test('cannot be changed afterwards', () => {
    const { jwk } = admitted({ ...rsa, key_ops: ['verify'] });
    expect(() => Object.assign(jwk, { n: 'AQAB' })).toThrow(TypeError);
    expect(() => (jwk.key_ops as string[]).push('sign')).toThrow(TypeError);
  });

  test('copies own members only', () => {
    const inherited = Object.assign(Object.create({ kid: 'inherited', d: 'AA' }) as Jwk, ec);
    expect(admitted(inherited).jwk.kid).toBeUndefined();
    expect(rejected(Object.create(ec)).reason).toBe('malformed');
  });

  test('keeps a kid that is the name of a prototype member', () => {
    for (const kid of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(JSON.parse(admitted({ ...ec, kid }).json)).toMatchObject({ kid });
    }
    const entry: unknown = JSON.parse(
      `{"__proto__":{"d":"AA"},"constructor":1,${JSON.stringify(ec).slice(1)}`,
    );
    expect(admitted(entry).jwk).toEqual(ec);
  });

  test('drops unknown members and counts null as absent', () => {
    const key = admitted({
      ...ec,
      kid: null,
      use: null,
      alg: null,
      key_ops: null,
      x5c: null,
      x5t: null,
      nbf: 1,
    });
    expect(key.jwk).toEqual(ec);
  });
});

describe('private members', () => {
  const values = ['AQAB', '', null, 0, [], {}];
  const names = privateMembers.flatMap((name) => values.map((value) => [name, value] as const));

  test.each(names)('%s = %j rejects the entry of an upstream and of a proof', (name, value) => {
    for (const origin of ['upstream', 'proof'] as const) {
      expect(rejected({ ...rsa, [name]: value }, { origin }).reason).toBe('private_material');
    }
  });

  test.each(kinds)('%s: a private JWK in a file gives its public half and a warning', (_kind, pair) => {
    const admission = admitJwk(pair.privateJwk, file);
    expect(admission).toMatchObject({ ok: true, warnings: [{ code: 'private_material' }] });
    expect(admitted(pair.privateJwk, file).jwk).toEqual(admitted(pair.publicJwk, file).jwk);
  });

  test('the operations of a private file key are those of its public half', () => {
    const entry = { ...pairs['P-256'].privateJwk, key_ops: ['sign', 'deriveBits'] };
    expect(admitted(entry, file).jwk).toMatchObject({ key_ops: ['verify'], use: 'sig' });
  });

  test('a symmetric key never comes in', () => {
    const oct = { kty: 'oct', k: 'c2VjcmV0', kid: 'hmac' };
    expect(rejected(oct)).toMatchObject({ reason: 'private_material', kid: 'hmac', kty: 'oct' });
    expect(rejected(oct, file).reason).toBe('unsupported_kty');
    expect(rejected({ kty: 'oct' }).reason).toBe('unsupported_kty');
  });
});

describe('unsupported keys', () => {
  test.each(['oct', 'LWE', 'rsa', '', 'constructor', '__proto__'])('kty %j is unsupported_kty', (kty) => {
    expect(rejected({ ...rsa, kty }).reason).toBe('unsupported_kty');
  });

  test.each([
    ['EC', 'P-192'],
    ['EC', 'p-256'],
    ['EC', 'Ed25519'],
    ['EC', 'toString'],
    ['OKP', 'Ed25519ph'],
    ['OKP', 'P-256'],
  ])('%s on %s is unsupported_crv', (kty, crv) => {
    expect(rejected({ ...ec, kty, crv }).reason).toBe('unsupported_crv');
  });

  test('X25519, X448 and secp256k1 are for profile full only, and nothing else is', () => {
    const only = kinds.filter(([, pair]) => admitted(pair.publicJwk).fullOnly !== undefined);
    expect(only.map(([kind]) => kind)).toEqual(['secp256k1', 'X25519', 'X448']);
  });
});

describe('AKP', () => {
  const lengths = [
    ['ML-DSA-44', 1312],
    ['ML-DSA-65', 1952],
    ['ML-DSA-87', 2592],
  ] as const;

  test.each(lengths)('%s is admitted for profile full with a key of %i bytes', (alg, length) => {
    const pub = Buffer.alloc(length, 7).toString('base64url');
    const key = admitted({ pub, alg, kty: 'AKP', kid: 'pq' });
    expect(key.jwk).toEqual({ kty: 'AKP', kid: 'pq', alg, pub });
    expect(key.fullOnly).toBe('unsupported_kty');
    expect(rejected({ kty: 'AKP', alg, pub: pub.slice(4) }).reason).toBe('malformed');
  });

  test('the thumbprint covers the alg, which is part of the key', () => {
    const pub = Buffer.alloc(1312, 7).toString('base64url');
    const expected = `{"alg":"ML-DSA-44","kty":"AKP","pub":"${pub}"}`;
    const digest = createHash('sha256').update(expected).digest('base64url');
    expect(admitted({ kty: 'AKP', alg: 'ML-DSA-44', pub }).thumbprint).toBe(digest);
  });

  test('without a known alg it is not a key', () => {
    expect(rejected({ kty: 'AKP', pub: 'AAAA' }).reason).toBe('malformed');
    expect(rejected({ kty: 'AKP', pub: 'AAAA', alg: 'SLH-DSA-SHA2-128s' }).reason).toBe('unsupported_kty');
  });

  test('on a runtime with ML-DSA there is a PEM of the same key', () => {
    let publicKey;
    try {
      ({ publicKey } = generateKeyPairSync('ml-dsa-44' as 'ed25519'));
    } catch {
      const pub = Buffer.alloc(1312, 7).toString('base64url');
      expect(admitted({ kty: 'AKP', alg: 'ML-DSA-44', pub }).pem).toBeUndefined();
      return;
    }
    const key = admitted(publicKey.export({ format: 'jwk' }));
    expect(key.pem).toBe(publicKey.export({ type: 'spki', format: 'pem' }));
  });
});

describe('the numbers of RSA', () => {
  test('2048 to 8192 bits are read', () => {
    expect(rejected(withN(2n ** 2047n - 1n))).toMatchObject({
      reason: 'weak_key',
      detail: expect.stringContaining('2047'),
    });
    expect(admitted(withN(2n ** 2047n + 1n)).pem).toContain('BEGIN PUBLIC KEY');
    expect(admitted(withN(2n ** 8192n - 1n)).pem).toContain('BEGIN PUBLIC KEY');
    expect(rejected(withN(2n ** 8192n + 1n))).toMatchObject({ reason: 'oversize_key' });
    expect(rejected(withN(2n ** 65535n + 1n)).reason).toBe('oversize_key');
    expect(rejected({ ...rsa, n: 'A'.repeat(50_000_000) }).reason).toBe('oversize_key');
    expect(rejected({ ...rsa, n: 'AAAA' }).reason).toBe('weak_key');
  });

  test('an even modulus is weak', () => {
    expect(rejected(withN(2n ** 2048n - 2n)).reason).toBe('weak_key');
  });

  test('the exponent is odd, at least 3 and below 2^32', () => {
    for (const e of [0n, 1n, 2n, 65_536n, 2n ** 32n, 2n ** 32n + 1n, 2n ** 64n + 1n]) {
      expect(rejected(withE(e)).reason).toBe('weak_key');
    }
    for (const e of [3n, 17n, 65_537n, 2n ** 32n - 1n]) expect(admitted(withE(e)).jwk.e).toBe(bigEndian(e));
  });

  test.each([undefined, null, 1, '', [], {}, 'Z', '*', 'AQ AB!', 'AQ==AB', 'A'.repeat(20_000)])(
    'e = %j is malformed',
    (e) => {
      expect(rejected({ ...rsa, e }).reason).toBe('malformed');
    },
  );
});

describe('points', () => {
  test.each(['P-256', 'P-384', 'P-521', 'secp256k1'] as const)(
    '%s: a coordinate has the full length',
    (kind) => {
      const { publicJwk } = pairs[kind];
      const x = bytesOf(publicJwk['x']);
      expect(rejected({ ...publicJwk, x: x.subarray(1).toString('base64url') }).reason).toBe('malformed');
      const longer = Buffer.concat([Buffer.from([1]), x]).toString('base64url');
      expect(rejected({ ...publicJwk, x: longer }).reason).toBe('malformed');
      expect(rejected({ ...publicJwk, y: undefined }).reason).toBe('malformed');
    },
  );

  test.each(['P-256', 'P-384', 'P-521', 'secp256k1'] as const)(
    '%s: a point off the curve is malformed',
    (kind) => {
      const { publicJwk } = pairs[kind];
      const y = bytesOf(publicJwk['y']);
      y[y.length - 1]! ^= 1;
      expect(rejected({ ...publicJwk, y: y.toString('base64url') }).reason).toBe('malformed');
      const zero = Buffer.alloc(y.length).toString('base64url');
      expect(rejected({ ...publicJwk, x: zero, y: zero }).reason).toBe('malformed');
    },
  );

  test.each(['Ed25519', 'Ed448', 'X25519', 'X448'] as const)('%s: a key has its one length', (kind) => {
    const { publicJwk } = pairs[kind];
    const x = bytesOf(publicJwk['x']);
    for (const bytes of [x.subarray(1), Buffer.concat([x, Buffer.alloc(1)]), Buffer.alloc(0)]) {
      expect(rejected({ ...publicJwk, x: bytes.toString('base64url') }).reason).toBe('malformed');
    }
  });

  test('OpenSSL’s own Ed25519 and Ed448 keys are points', () => {
    for (let round = 0; round < 20; round += 1) {
      for (const type of ['ed25519', 'ed448'] as const) {
        const { publicKey } = generateKeyPairSync(type as 'ed25519');
        expect(admitted(publicKey.export({ format: 'jwk' })).fullOnly).toBeUndefined();
      }
    }
  });

  const p25519 = 2n ** 255n - 19n;
  const order8 = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
  const signs25519 = [0n, 2n ** 255n];
  const small25519 = [0n, 1n, p25519 - 1n, p25519, p25519 + 1n, order8, p25519 - order8].flatMap((y) =>
    signs25519.map((sign) => y + sign),
  );

  test.each(small25519)('Ed25519: the point of small order %i is weak', (y) => {
    expect(rejected({ kty: 'OKP', crv: 'Ed25519', x: littleEndian(y, 32) }).reason).toBe('weak_key');
  });

  const p448 = 2n ** 448n - 2n ** 224n - 1n;
  const small448 = [0n, 1n, p448 - 1n, p448, p448 + 1n].flatMap((y) => [y, y + 2n ** 455n]);

  test.each(small448)('Ed448: the point of small order %i is weak', (y) => {
    expect(rejected({ kty: 'OKP', crv: 'Ed448', x: littleEndian(y, 57) }).reason).toBe('weak_key');
  });

  test('a y that is no point, or not below the prime, is malformed', () => {
    // y = 3 is a point of Ed25519, y = 2 is none.
    expect(admitted({ ...ed, x: littleEndian(3n, 32) }).jwk.kty).toBe('OKP');
    expect(rejected({ ...ed, x: littleEndian(2n, 32) }).reason).toBe('malformed');
    expect(rejected({ ...ed, x: littleEndian(p25519 + 3n, 32) }).reason).toBe('malformed');
    expect(rejected({ kty: 'OKP', crv: 'Ed448', x: littleEndian(p448 + 3n, 57) }).reason).toBe('malformed');
    expect(rejected({ kty: 'OKP', crv: 'Ed448', x: littleEndian(2n ** 450n + 3n, 57) }).reason).toBe(
      'malformed',
    );
  });
});

describe('metadata', () => {
  test.each([
    ['RSA', 'ES256'],
    ['RSA', 'EdDSA'],
    ['RSA', 'HS256'],
    ['RSA', 'none'],
    ['RSA', 'dir'],
    ['RSA', 'ECDH-ES'],
    ['P-256', 'RS256'],
    ['P-256', 'ES384'],
    ['P-521', 'ES256'],
    ['secp256k1', 'ES256'],
    ['Ed25519', 'ES256'],
    ['Ed25519', 'Ed448'],
    ['X25519', 'EdDSA'],
    ['Ed448', 'ML-DSA-44'],
  ] as const)('%s with alg %s is a contradiction', (kind, alg) => {
    expect(rejected({ ...pairs[kind].publicJwk, alg }).reason).toBe('malformed');
  });

  test.each([
    ['RSA', 'PS512'],
    ['RSA', 'RSA-OAEP-256'],
    ['P-256', 'ECDH-ES+A128KW'],
    ['Ed25519', 'Ed25519'],
    ['Ed448', 'EdDSA'],
    ['secp256k1', 'ES256K'],
    ['X448', 'ECDH-ES'],
    ['RSA', 'RS256-from-the-future'],
    ['P-256', 'constructor'],
  ] as const)('%s with alg %s is kept', (kind, alg) => {
    expect(admitted({ ...pairs[kind].publicJwk, alg }).jwk.alg).toBe(alg);
  });

  test.each([
    ['use', 1],
    ['use', ['sig']],
    ['use', 's\u0000g'],
    ['use', 'x'.repeat(65)],
    ['alg', 256],
    ['alg', { name: 'RS256' }],
    ['alg', 'RS256\n'],
    ['key_ops', 'verify'],
    ['key_ops', [1]],
    ['key_ops', ['verify', null]],
    ['key_ops', { 0: 'verify', length: 1 }],
    ['key_ops', Array.from({ length: 33 }, (_, index) => `op${index}`)],
  ])('%s = %j is malformed', (name, value) => {
    expect(rejected({ ...rsa, [name]: value }).reason).toBe('malformed');
  });

  test('an empty use or alg counts as absent', () => {
    expect(admitted({ ...rsa, use: '', alg: '' }).jwk).toEqual(rsa);
  });

  test.each([1, true, {}, ['a'], ''])('kid = %j counts as absent, with a warning', (kid) => {
    expect(admitted({ ...ec, kid }).jwk.kid).toBeUndefined();
    expect(warningsOf({ ...ec, kid })).toEqual(['bad_kid']);
  });

  test.each(['a\nb', '\u0000', 'a\u007f', '\u0085', '\ud800', 'x\udc00y', 'k'.repeat(1025), 'ü'.repeat(513)])(
    'kid = %j rejects the key',
    (kid) => {
      expect(rejected({ ...ec, kid }).reason).toBe('bad_kid');
    },
  );

  test.each(['k'.repeat(1024), 'ü'.repeat(512), 'us-east-1/+=:', '../../etc/passwd', '😀', ' '])(
    'kid = %j is published as it is',
    (kid) => {
      expect(admitted({ ...ec, kid }).jwk.kid).toBe(kid);
    },
  );

  test('a rejection tells kid and kty in one short line', () => {
    const rejection = rejected({ kty: `x\r\n${'y'.repeat(100)}`, kid: `\u001b[31m${'k'.repeat(100)}` });
    expect(rejection.kid).toMatch(/^[^\p{Cc}]{64}$/u);
    expect(rejection.kty).toMatch(/^[^\p{Cc}]{64}$/u);
  });
});

describe('what a file leaves out', () => {
  test.each([
    ['P-256', 'ES256'],
    ['P-384', 'ES384'],
    ['P-521', 'ES512'],
    ['Ed25519', 'EdDSA'],
    ['Ed448', 'EdDSA'],
    ['secp256k1', 'ES256K'],
  ] as const)('%s gets use sig, alg %s and its thumbprint as kid', (kind, alg) => {
    const { jwk, thumbprint } = admitted(pairs[kind].publicJwk, file);
    expect(jwk).toEqual({ ...pairs[kind].publicJwk, use: 'sig', alg, kid: thumbprint });
  });

  test('RSA gets the alg of the source only', () => {
    expect(admitted(rsa, file).jwk).toMatchObject({ use: 'sig' });
    expect(admitted(rsa, file).jwk.alg).toBeUndefined();
    expect(admitted(rsa, { ...file, rsaAlg: 'RS512' }).jwk.alg).toBe('RS512');
    expect(admitted(ec, { ...file, rsaAlg: 'RS512' }).jwk.alg).toBe('ES256');
    expect(admitted(rsa, { ...file, rsaAlg: 'ES256' }).jwk.alg).toBeUndefined();
  });

  test('what the file says stays', () => {
    const given = { kid: 'mine', use: 'sig', alg: 'PS256' };
    expect(admitted({ ...rsa, ...given }, { ...file, rsaAlg: 'RS256' }).jwk).toEqual({ ...rsa, ...given });
  });

  test('an encryption key does not become a signature key', () => {
    expect(admitted({ ...rsa, use: 'enc' }, { ...file, rsaAlg: 'RS256' }).jwk.alg).toBeUndefined();
    expect(admitted({ ...rsa, alg: 'RSA-OAEP' }, file).jwk.use).toBe('enc');
    expect(admitted({ ...rsa, key_ops: ['encrypt'] }, file).jwk.use).toBeUndefined();
    const { jwk } = admitted(pairs.X25519.publicJwk, file);
    expect([jwk.use, jwk.alg, typeof jwk.kid]).toEqual([undefined, undefined, 'string']);
  });

  test('an upstream and a proof get nothing', () => {
    expect(admitted(ec, upstream).jwk).toEqual(ec);
    expect(admitted(ec, { origin: 'proof' }).jwk).toEqual(ec);
  });
});

describe('anything else', () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const hostile = new Proxy(
    {},
    {
      get: () => {
        throw new Error('get');
      },
      has: () => true,
      getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true, value: 1 }),
    },
  );
  let nested: unknown = {};
  for (let depth = 0; depth < 100_000; depth += 1) nested = { x5c: [nested] };

  test.each([
    ['undefined', undefined],
    ['null', null],
    ['a number', 1],
    ['a text', 'key'],
    ['an array', [rsa]],
    ['an empty object', {}],
    ['a function', () => rsa],
    ['a symbol', Symbol('key')],
    ['a revoked proxy', revoked.proxy],
    ['a proxy that throws', new Proxy(ec, { get: hostile as never })],
    [
      'a getter that throws',
      Object.defineProperty({ ...ec }, 'x', {
        get: () => {
          throw new Error('x');
        },
      }),
    ],
    ['a deep nest', nested],
    ['a kty of the wrong type', { ...ec, kty: ['EC'] }],
  ])('%s is malformed', (_name, entry) => {
    expect(rejected(entry).reason).toBe('malformed');
    expect(rejected(entry, file).reason).toBe('malformed');
  });

  test('a proxy whose members throw is rejected', () => {
    expect(admitJwk(hostile, upstream).ok).toBe(false);
    expect(admitJwk(hostile, file).ok).toBe(false);
  });

  test('a getter shows one face only', () => {
    let reads = 0;
    const entry = Object.defineProperty({ ...ec }, 'kid', {
      get: () => `kid${(reads += 1)}`,
      enumerable: true,
    });
    expect(admitted(entry).jwk.kid).toBe('kid1');
    expect(reads).toBe(1);
  });
});
