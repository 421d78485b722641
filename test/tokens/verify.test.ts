import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import {
  assert,
  asyncProperty,
  base64String,
  boolean,
  constantFrom,
  integer,
  json,
  nat,
  oneof,
  pre,
  record,
  shuffledSubarray,
  string,
} from 'fast-check';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { verifyToken, type Verification, type VerifyOptions } from '../../src/tokens/verify.ts';
import { ManualClock } from '../fakes/clock.ts';
import { admitted } from '../fakes/keys.ts';
import { signedAs, signer } from './signer.ts';

const clock = new ManualClock(Date.UTC(2026, 0, 1));
const now = clock.wall() / 1000;
const good = { sub: 'jane', exp: now + 60 };
const es = signer('ES256', 'es');
const rs = signer('RS256', 'rs');
const ed = signer('EdDSA', 'ed');
const everybody = [es.key, rs.key, ed.key];

const verify = async (
  token: string,
  keys = everybody,
  options: Partial<VerifyOptions> = {},
): Promise<Verification> => await verifyToken(token, keys, { clock, ...options });

const reasonOf = async (...args: Parameters<typeof verify>): Promise<string> => {
  const result = await verify(...args);
  return result.valid ? 'valid' : result.reason;
};

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const mlDsaPair = (): ReturnType<typeof generateKeyPairSync> | undefined => {
  try {
    return generateKeyPairSync('ml-dsa-44' as 'ed25519');
  } catch {
    return undefined;
  }
};

describe('a token of a key in the set', () => {
  const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'];
  test.each([...algorithms, 'EdDSA', 'Ed25519', 'Ed448'])(
    'is valid with %s, named or not by the key',
    async (alg) => {
      const one = signer(alg, 'k');
      const token = one.token(good);
      expect(await verify(token, [one.key])).toEqual({
        valid: true,
        header: { alg, kid: 'k' },
        claims: good,
        key: one.key,
      });
      const { alg: _, ...unpinned } = one.publicJwk;
      expect(await reasonOf(token, [admitted(unpinned)])).toBe('valid');
      if (alg !== 'Ed448') {
        const set = createLocalJWKSet({ keys: [one.publicJwk] });
        expect((await jwtVerify(token, set, { currentDate: new Date(clock.wall()) })).payload).toEqual(good);
      }
    },
  );

  const mlDsa = mlDsaPair();
  test.skipIf(mlDsa === undefined)('is valid with ML-DSA where the runtime has it', async () => {
    const { publicKey, privateKey } = mlDsa!;
    const jwk = admitted({ ...publicKey.export({ format: 'jwk' }), kid: 'pq', alg: 'ML-DSA-44' });
    const signed = `${encode({ alg: 'ML-DSA-44', kid: 'pq' })}.${encode(good)}`;
    const signature = sign(undefined, Buffer.from(signed), privateKey);
    expect(await reasonOf(`${signed}.${signature.toString('base64url')}`, [es.key, jwk])).toBe('valid');
    signature[0]! ^= 1;
    expect(await reasonOf(`${signed}.${signature.toString('base64url')}`, [jwk])).toBe('bad_signature');
  });

  test('EdDSA and Ed25519 are two names of one algorithm', async () => {
    const newName = admitted({ ...ed.publicJwk, alg: 'Ed25519' });
    expect(await reasonOf(ed.token(good), [newName])).toBe('valid');
    expect(await reasonOf(ed.token(good, { alg: 'Ed25519' }), [ed.key])).toBe('valid');
    expect(await reasonOf(ed.token(good), [ed.key], { algorithms: ['Ed25519'] })).toBe('valid');
    expect(await reasonOf(ed.token(good), [ed.key], { algorithms: ['Ed448'] })).toBe('alg_mismatch');
    expect(await reasonOf(ed.token(good, { alg: 'Ed448' }), [ed.key])).toBe('alg_mismatch');
  });

  test('without a kid is tried with every key that fits', async () => {
    const other = signer('ES256', 'other');
    expect(await verify(es.token(good, { kid: undefined }), [other.key, rs.key, es.key])).toMatchObject({
      valid: true,
      key: es.key,
    });
  });

  test('of two keys with one kid is verified by the right one', async () => {
    const twin = signer('ES256', 'es');
    expect(await verify(es.token(good), [twin.key, es.key])).toMatchObject({ valid: true, key: es.key });
  });

  test('with an unknown kid, or the kid of another key, needs the option that tries others', async () => {
    expect(await reasonOf(es.token(good, { kid: 'who' }))).toBe('unknown_kid');
    const other = signer('ES256', 'other');
    expect(await reasonOf(es.token(good, { kid: 'other' }), [es.key, other.key])).toBe('bad_signature');
    for (const kid of ['who', 'other', 'rs']) {
      const result = await verify(es.token(good, { kid }), [other.key, ...everybody], { tryOtherKids: true });
      expect(result).toMatchObject({ valid: true, key: es.key });
    }
  });
});

describe('the algorithm', () => {
  test('is the key’s and not the token’s', async () => {
    const ps = signedAs('PS256', rs.privateKey, { alg: 'PS256', kid: 'rs' }, good);
    expect(await verify(ps)).toMatchObject({
      reason: 'alg_mismatch',
      detail: expect.stringContaining('RS256'),
    });
    const unpinned = admitted({ ...rs.publicJwk, alg: undefined });
    expect(await reasonOf(ps, [unpinned])).toBe('valid');
    expect(await reasonOf(ps, [unpinned], { algorithms: ['RS256'] })).toBe('alg_refused');
    expect(await reasonOf(es.token(good, { alg: 'ES384' }))).toBe('alg_mismatch');
    expect(await reasonOf(es.token(good, { alg: 'RS256' }))).toBe('alg_mismatch');
  });

  test.each(['none', 'None', 'nOnE', '', 'HS256', 'HS512', 'ES256K', 'RSA-OAEP', 'constructor', '__proto__'])(
    '%j is never accepted, also where it is allowed',
    async (alg) => {
      for (const secret of [es.key.pem!, es.key.json]) {
        const signed = `${encode({ alg, kid: 'es' })}.${encode(good)}`;
        for (const signature of ['', createHmac('sha256', secret).update(signed).digest('base64url')]) {
          expect(await reasonOf(`${signed}.${signature}`, [es.key], { algorithms: [alg] })).toBe(
            'alg_refused',
          );
        }
      }
    },
  );

  test('an ECDSA signature is r||s and never DER', async () => {
    const signed = es.token(good).split('.').slice(0, 2).join('.');
    const der = sign('sha256', Buffer.from(signed), es.privateKey).toString('base64url');
    expect(await reasonOf(`${signed}.${der}`)).toBe('bad_signature');
    const zeros = Buffer.alloc(64).toString('base64url');
    expect(await reasonOf(`${signed}.${zeros}`)).toBe('bad_signature');
    const raw = Buffer.from(es.token(good).split('.')[2]!, 'base64url');
    const longer = Buffer.concat([Buffer.alloc(1), raw.subarray(0, 32), Buffer.alloc(1), raw.subarray(32)]);
    expect(await reasonOf(`${signed}.${longer.toString('base64url')}`)).toBe('bad_signature');
  });

  test('a PSS salt of another length is refused', async () => {
    const signed = `${encode({ alg: 'PS256', kid: 'rs' })}.${encode(good)}`;
    const unpinned = admitted({ ...rs.publicJwk, alg: undefined });
    const salted = (saltLength: number): string =>
      `${signed}.${sign('sha256', Buffer.from(signed), { key: rs.privateKey, padding: 6, saltLength }).toString('base64url')}`;
    expect(await reasonOf(salted(32), [unpinned])).toBe('valid');
    expect(await reasonOf(salted(20), [unpinned])).toBe('bad_signature');
  });

  test('a key that encrypts verifies nothing', async () => {
    for (const members of [{ use: 'enc' }, { key_ops: ['encrypt'] }, { alg: 'RSA-OAEP' }]) {
      expect(await reasonOf(rs.token(good), [admitted({ ...rs.publicJwk, ...members })])).toBe('no_keys');
    }
    expect(await reasonOf(rs.token(good), [])).toBe('no_keys');
  });
});

describe('the form', () => {
  const token = es.token(good);
  const [head, body, tail] = token.split('.') as [string, string, string];
  const bom = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(JSON.stringify(good))]);

  test.each([
    ['empty', ''],
    ['one part', 'abc'],
    ['two parts', `${head}.${body}`],
    ['four parts', `${token}.${tail}`],
    ['five parts', `${token}.${tail}.${tail}`],
    ['only dots', '..'],
    ['a thousand dots', '.'.repeat(1000)],
    ['a newline at the end', `${token}\n`],
    ['white space in front', ` ${token}`],
    ['padding', `${head}.${body}.${tail}==`],
    ['the other alphabet', `${head}.${body}.${tail.slice(0, -2)}+/`],
    ['a line break inside', `${head}.${body.slice(0, 4)}\n${body.slice(4)}.${tail}`],
    ['a header that is no JSON', `${Buffer.from('{').toString('base64url')}.${body}.${tail}`],
    ['a header that is a list', `${encode([])}.${body}.${tail}`],
    ['a header that is null', `${encode(null)}.${body}.${tail}`],
    ['a header without alg', `${encode({})}.${body}.${tail}`],
    ['an alg that is a number', `${encode({ alg: 1 })}.${body}.${tail}`],
    ['a kid that is a number', `${encode({ alg: 'ES256', kid: 1 })}.${body}.${tail}`],
    ['a kid that is null', `${encode({ alg: 'ES256', kid: null })}.${body}.${tail}`],
    ['claims that are text', signedAs('ES256', es.privateKey, { alg: 'ES256' }, '"text"')],
    ['claims that are a list', signedAs('ES256', es.privateKey, { alg: 'ES256' }, [])],
    ['a claim that is repeated', signedAs('ES256', es.privateKey, { alg: 'ES256' }, '{"exp":1,"exp":2}')],
    ['claims that are no JSON', signedAs('ES256', es.privateKey, { alg: 'ES256' }, 'x')],
    ['claims with a byte order mark', `${head}.${bom.toString('base64url')}.${tail}`],
    ['claims that are not UTF-8', `${head}.${Buffer.from([0x22, 0xff, 0x22]).toString('base64url')}.${tail}`],
    [
      'claims nested a thousand deep',
      `${head}.${Buffer.from('['.repeat(1000)).toString('base64url')}.${tail}`,
    ],
  ])('%s is malformed', async (_, text) => {
    expect(await reasonOf(text)).toBe('malformed');
  });

  test('only the one spelling of the signature is taken', async () => {
    // 64 bytes leave four bits of the last character unused.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(tail.at(-1)!);
    expect(last % 16).toBe(0);
    expect(await reasonOf(`${head}.${body}.${tail.slice(0, -1)}${alphabet[last + 1]}`)).toBe('malformed');
  });

  test('more than 16 KiB is not looked at, unless more is allowed', async () => {
    const large = es.token({ ...good, pad: 'x'.repeat(16_384) });
    expect(await reasonOf(large)).toBe('too_large');
    expect(await reasonOf(es.token({ ...good, pad: 'x'.repeat(1_000_000) }))).toBe('too_large');
    expect(await reasonOf(large, everybody, { maxBytes: large.length })).toBe('valid');
    expect(await reasonOf(large, everybody, { maxBytes: large.length - 1 })).toBe('too_large');
  });

  test.each([
    { crit: ['exp'] },
    { crit: [] },
    { crit: null },
    { crit: ['b64'], b64: false },
    { b64: false },
    { b64: true },
  ])('the extension %j is refused', async (header) => {
    expect(await reasonOf(es.token(good, header))).toBe('unsupported_crit');
  });

  test('a key inside the header is not a key', async () => {
    const mallory = signer('ES256', 'es');
    const header = { jwk: mallory.publicJwk, jku: 'http://127.0.0.1:9/jwks', x5u: 'http://127.0.0.1:9/' };
    expect(await reasonOf(mallory.token(good, header))).toBe('bad_signature');
  });
});

describe('the dates', () => {
  test.each([
    [{ exp: now + 1 }, 'valid'],
    [{ exp: now }, 'expired'],
    [{ exp: now - 1 }, 'expired'],
    [{ exp: now + 0.5 }, 'valid'],
    [{ exp: 0 }, 'expired'],
    [{}, 'no_exp'],
    [{ exp: now + 60, nbf: now }, 'valid'],
    [{ exp: now + 60, nbf: now + 1 }, 'not_yet_valid'],
    [{ exp: now + 60, iat: now + 3600 }, 'valid'],
    [{ exp: String(now + 60) }, 'bad_claim'],
    [{ exp: null }, 'bad_claim'],
    [{ exp: [now + 60] }, 'bad_claim'],
    [{ exp: true }, 'bad_claim'],
    [{ exp: 1e308 }, 'bad_claim'],
    [{ exp: -1 }, 'bad_claim'],
    [{ exp: (now + 60) * 1000 }, 'bad_claim'],
    [{ exp: now + 60, nbf: '0' }, 'bad_claim'],
    [{ exp: now + 60, iat: {} }, 'bad_claim'],
    [{ exp: now + 60, iat: -1e308 }, 'bad_claim'],
  ])('%j is %s', async (claims, expected) => {
    expect(await reasonOf(es.token(claims))).toBe(expected);
  });

  test('an infinite exp is no date', async () => {
    expect(await reasonOf(signedAs('ES256', es.privateKey, { alg: 'ES256' }, '{"exp":1e999}'))).toBe(
      'bad_claim',
    );
  });

  test('clockSkew moves both ends, and allowNoExp lets a token live for ever', async () => {
    const skew = { clockSkew: 5 };
    expect(await reasonOf(es.token({ exp: now - 4 }), everybody, skew)).toBe('valid');
    expect(await reasonOf(es.token({ exp: now - 5 }), everybody, skew)).toBe('expired');
    expect(await reasonOf(es.token({ ...good, nbf: now + 5 }), everybody, skew)).toBe('valid');
    expect(await reasonOf(es.token({ ...good, nbf: now + 6 }), everybody, skew)).toBe('not_yet_valid');
    expect(await reasonOf(es.token({}), everybody, { allowNoExp: true })).toBe('valid');
    expect(await reasonOf(es.token({ nbf: now + 1 }), everybody, { allowNoExp: true })).toBe('not_yet_valid');
  });

  test('are judged after the signature: a stranger learns nothing from them', async () => {
    const mallory = signer('ES256', 'es');
    const result = await verify(mallory.token({ exp: now - 60 }));
    expect(result).toMatchObject({ reason: 'bad_signature' });
    expect(result).not.toHaveProperty('claims');
    expect(await verify(es.token({ exp: now - 7200 }))).toMatchObject({
      reason: 'expired',
      detail: expect.stringContaining('2 h ago'),
      claims: { exp: now - 7200 },
      key: es.key,
    });
  });
});

describe('whatever the token is', () => {
  test.each(['ES256', 'RS256', 'EdDSA', 'ES512'])(
    'no change of one character validates (%s)',
    async (alg) => {
      const one = signer(alg, 'k');
      const token = one.token(good);
      await assert(
        asyncProperty(
          nat(token.length - 1),
          integer({ min: 0, max: 255 }).map((code) => String.fromCodePoint(code)),
          async (at, character) => {
            pre(token[at] !== character);
            const changed = token.slice(0, at) + character + token.slice(at + 1);
            expect((await verify(changed, [one.key], { tryOtherKids: true })).valid).toBe(false);
          },
        ),
        { numRuns: 300 },
      );
    },
  );

  test('the verdict does not depend on the order of the keys, and a set without the signer never validates', async () => {
    const signers = ['ES256', 'ES256', 'RS256', 'EdDSA', 'ES384'].map((alg, index) =>
      signer(alg, `k${index % 4}`),
    );
    await assert(
      asyncProperty(
        constantFrom(...signers),
        shuffledSubarray(signers),
        constantFrom(undefined, 'k0', 'k1', 'who'),
        boolean(),
        async (one, members, kid, tryOtherKids) => {
          const token = one.token(good, { kid });
          const keys = members.map(({ key }) => key);
          const result = await verify(token, keys, { tryOtherKids });
          const reversed = await verify(token, keys.toReversed(), { tryOtherKids });
          expect(reversed.valid).toBe(result.valid);
          if (!members.includes(one)) expect(result.valid).toBe(false);
          else if (tryOtherKids || kid === undefined || kid === one.key.jwk.kid)
            expect(result.valid).toBe(true);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('the outcome is a value', async () => {
    const jsonPart = json().map((text) => Buffer.from(text).toString('base64url'));
    const part = oneof(jsonPart, string({ unit: 'binary' }), base64String());
    const alg = constantFrom('ES256', 'RS256', 'EdDSA', 'PS512', 'ML-DSA-44', 'none', 'x');
    const header = record({ alg, kid: constantFrom('es', 'rs', 'ed', 1, null) }).map(encode);
    await assert(
      asyncProperty(oneof(header, part), part, part, async (...parts) => {
        const result = await verify(parts.join('.'), everybody, { tryOtherKids: true });
        expect(result.valid).toBe(false);
        if (!result.valid) expect(result.detail).toMatch(/^[^\n]{10,}$/u);
      }),
      { numRuns: 500 },
    );
  });
});
