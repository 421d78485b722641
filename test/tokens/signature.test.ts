import { constants, generateKeyPairSync, sign, type KeyObject, type SignKeyObjectInput } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { admitJwk } from '../../src/jwk/admit.ts';
import type { Key } from '../../src/jwk/key.ts';
import { fits, signatureAlgorithms, verifySignature } from '../../src/tokens/signature.ts';

const admit = (publicKey: KeyObject): Key => {
  const admission = admitJwk(publicKey.export({ format: 'jwk' }), { origin: 'upstream' });
  if (!admission.ok) throw new Error(admission.rejection.detail);
  return admission.key;
};
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pairs = {
  RSA: rsa,
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'P-521': generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  secp256k1: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
  Ed25519: generateKeyPairSync('ed25519'),
  Ed448: generateKeyPairSync('ed448'),
  X25519: generateKeyPairSync('x25519'),
};
type Name = keyof typeof pairs;
const keys = Object.fromEntries(
  Object.entries(pairs).map(([name, { publicKey }]) => [name, admit(publicKey)]),
) as Record<Name, Key>;

const signingInput = Buffer.from('eyJhbGciOiJFUzI1NiJ9.dGVzdA');
const make = (name: Name, hash: string | undefined, options: Omit<SignKeyObjectInput, 'key'> = {}): Buffer =>
  sign(hash, signingInput, { key: pairs[name].privateKey, ...options });
const raw = { dsaEncoding: 'ieee-p1363' } as const;
const pss = (saltLength: number): Omit<SignKeyObjectInput, 'key'> => ({
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength,
});

const good: readonly (readonly [string, Name, Buffer])[] = [
  ['RS256', 'RSA', make('RSA', 'sha256')],
  ['RS384', 'RSA', make('RSA', 'sha384')],
  ['RS512', 'RSA', make('RSA', 'sha512')],
  ['PS256', 'RSA', make('RSA', 'sha256', pss(32))],
  ['PS384', 'RSA', make('RSA', 'sha384', pss(48))],
  ['PS512', 'RSA', make('RSA', 'sha512', pss(64))],
  ['ES256', 'P-256', make('P-256', 'sha256', raw)],
  ['ES384', 'P-384', make('P-384', 'sha384', raw)],
  ['ES512', 'P-521', make('P-521', 'sha512', raw)],
  ['EdDSA', 'Ed25519', make('Ed25519', undefined)],
  ['Ed25519', 'Ed25519', make('Ed25519', undefined)],
  ['EdDSA', 'Ed448', make('Ed448', undefined)],
  ['Ed448', 'Ed448', make('Ed448', undefined)],
];
const check = (name: Name, alg: string, signature: Buffer): Promise<boolean> =>
  verifySignature(keys[name], alg, { signingInput, signature });

describe('a signature', () => {
  test('is tested here with every algorithm', () => {
    // ML-DSA needs a runtime that has it: verify.test.ts.
    const everywhere = signatureAlgorithms.filter((alg) => !alg.startsWith('ML-DSA')).toSorted();
    expect([...new Set(good.map(([alg]) => alg))].toSorted()).toEqual(everywhere);
  });

  test.each(good)('%s by %s is verified, with that algorithm alone', async (alg, name, signature) => {
    expect(await check(name, alg, signature)).toBe(true);
    for (const other of [...signatureAlgorithms, 'none', 'HS256', 'ES256K', '', '__proto__']) {
      const same = other === alg || (name.startsWith('Ed') && (other === 'EdDSA' || other === name));
      expect([other, await check(name, other, signature)]).toEqual([other, same]);
    }
  });

  test.each(good)('%s by %s is not that of another key or text', async (alg, name, signature) => {
    for (const other of Object.keys(pairs) as Name[]) {
      if (other !== name) expect(await check(other, alg, signature)).toBe(false);
    }
    const changed = { signingInput: Buffer.concat([signingInput, Buffer.from('A')]), signature };
    expect(await verifySignature(keys[name], alg, changed)).toBe(false);
  });

  test.each(good)('%s by %s has one length', async (alg, name, signature) => {
    const zero = Buffer.from([0]);
    const short = signature.subarray(1);
    const lengths = [
      Buffer.alloc(0),
      short,
      signature.subarray(0, -1),
      Buffer.concat([zero, signature]),
      Buffer.concat([signature, zero]),
    ];
    for (const changed of lengths) expect(await check(name, alg, changed)).toBe(false);
  });

  test.each([
    ['ES256', 'P-256', 32, 'sha256'],
    ['ES384', 'P-384', 48, 'sha384'],
    ['ES512', 'P-521', 66, 'sha512'],
  ] as const)(
    '%s in DER, with a zero, or with a number beyond the order is none',
    async (alg, name, size, hash) => {
      expect(await check(name, alg, make(name, hash))).toBe(false);
      const whole = make(name, hash, raw);
      const [r, s] = [whole.subarray(0, size), whole.subarray(size)];
      const zero = Buffer.alloc(size);
      const ones = Buffer.alloc(size, 0xff);
      // CVE-2022-21449: r = s = 0 fits every text and key where nobody looks.
      for (const parts of [
        [zero, zero],
        [r, zero],
        [zero, s],
        [r, ones],
        [ones, s],
        [ones, ones],
      ]) {
        expect(await check(name, alg, Buffer.concat(parts))).toBe(false);
      }
    },
  );

  test('of Ed25519 with an S beyond the order of the group is none (RFC 8032 §5.1.7)', async () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const signature = make('Ed25519', undefined);
    const s = BigInt(`0x${Buffer.from(signature.subarray(32).toReversed()).toString('hex')}`) + order;
    const respelled = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').toReversed();
    const changed = Buffer.concat([signature.subarray(0, 32), respelled]);
    expect(changed.length).toBe(64);
    expect(await check('Ed25519', 'EdDSA', changed)).toBe(false);
  });

  test('of RSA with another salt length, beyond the modulus, or of one is none', async () => {
    for (const salt of [0, 20, 31, 33, 64, constants.RSA_PSS_SALTLEN_MAX_SIGN]) {
      expect(await check('RSA', 'PS256', make('RSA', 'sha256', pss(salt)))).toBe(false);
    }
    const one = Buffer.alloc(256);
    one[255] = 1;
    for (const alg of ['RS256', 'PS256']) {
      for (const number of [one, Buffer.alloc(256), Buffer.alloc(256, 0xff)]) {
        expect(await check('RSA', alg, number)).toBe(false);
      }
    }
  });
});

const fitting = (name: Name): readonly string[] =>
  [...signatureAlgorithms, 'none', 'HS256'].filter((alg) => fits(keys[name], alg));

test('a key fits the algorithms of its type and curve', () => {
  expect(fitting('RSA')).toEqual(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']);
  expect(fitting('P-256')).toEqual(['ES256']);
  expect(fitting('P-384')).toEqual(['ES384']);
  expect(fitting('P-521')).toEqual(['ES512']);
  expect(fitting('Ed25519')).toEqual(['EdDSA', 'Ed25519']);
  expect(fitting('Ed448')).toEqual(['EdDSA', 'Ed448']);
  expect(fitting('secp256k1')).toEqual([]);
  expect(fitting('X25519')).toEqual([]);
});
