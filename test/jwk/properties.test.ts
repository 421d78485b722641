import { createPublicKey, type JsonWebKey } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { admitJwk, privateMembers } from '../../src/jwk/admit.ts';
import type { AdmitOptions } from '../../src/jwk/key.ts';
import { parseKeyFile } from '../../src/jwk/parse-file.ts';
import { admitEntries, decodeJwkSet } from '../../src/jwk/parse-set.ts';
import { admitted, pairs, type Jwk } from './helpers.ts';

const kinds = Object.values(pairs);
const publicNames = [
  'kty',
  'kid',
  'use',
  'alg',
  'key_ops',
  'n',
  'e',
  'crv',
  'x',
  'y',
  'pub',
  'x5c',
  'x5t',
  'x5t#S256',
];
const origins: readonly AdmitOptions[] = [
  { origin: 'file', rsaAlg: 'RS256' },
  { origin: 'upstream' },
  { origin: 'proof' },
];

const drain = <T>(generator: Generator<void, T, void>): T => {
  for (;;) {
    const step = generator.next();
    if (step.done === true) return step.value;
  }
};

/** A real private or public key with some members replaced, removed or added. */
const mutatedKey = fc
  .tuple(
    fc.constantFrom(...kinds.flatMap((pair) => [pair.publicJwk, pair.privateJwk])),
    fc.dictionary(
      fc.constantFrom(...publicNames, ...privateMembers, '__proto__', 'constructor', 'toJSON', 'length'),
      fc.oneof(
        fc.anything(),
        fc.constantFrom(
          'sig',
          'enc',
          'RS256',
          'ES256',
          'EC',
          'RSA',
          'OKP',
          'AKP',
          'oct',
          '__proto__',
          'constructor',
        ),
        fc.constantFrom(undefined, null),
      ),
      { maxKeys: 4 },
    ),
  )
  .map(([key, changes]): Jwk => Object.assign(Object.create(null) as Jwk, key, changes));

const secretsOf = (entry: Jwk): readonly string[] => {
  const pair = kinds.find(({ privateJwk }) => privateJwk['d'] === entry['d']);
  return pair === undefined
    ? []
    : privateMembers.flatMap((name) =>
        typeof pair.privateJwk[name] === 'string' ? [pair.privateJwk[name]] : [],
      );
};

/** Every member name anywhere in a value. */
const namesIn = (value: unknown): readonly string[] => {
  if (typeof value !== 'object' || value === null) return [];
  const own = Array.isArray(value) ? [] : Object.keys(value);
  return own.concat(Object.values(value).flatMap(namesIn));
};

describe('whatever comes in', () => {
  test('no input makes a private member come out', () => {
    fc.assert(
      fc.property(mutatedKey, fc.constantFrom(...origins), (entry, options) => {
        const admission = admitJwk(entry, options);
        const output = JSON.stringify(admission);
        for (const secret of secretsOf(entry)) expect(output).not.toContain(secret);
        if (!admission.ok) return;
        const { json, pem } = admission.key;
        expect(namesIn(JSON.parse(json)).filter((name) => !publicNames.includes(name))).toEqual([]);
        expect(pem ?? '').not.toContain('PRIVATE');
        if (options.origin !== 'file') {
          expect(privateMembers.filter((name) => Object.hasOwn(entry, name))).toEqual([]);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('the outcome is a value', () => {
    const anything = fc.anything({
      withBigInt: true,
      withNullPrototype: true,
      withSparseArray: true,
      withDate: true,
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(anything, mutatedKey), { maxLength: 8 }), (entries) => {
        for (const options of origins) {
          const set = drain(admitEntries(entries, { ...options, maxKeys: 5 }));
          const rejected = Object.values(set.rejectedCounts).reduce((sum, count) => sum + count, 0);
          expect(set.keys.length + rejected).toBeLessThanOrEqual(entries.length);
          for (const key of set.keys) expect(admitted(JSON.parse(key.json)).json).toBe(key.json);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('any bytes are a set or a refusal, a file or a refusal', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.json(),
      fc
        .array(mutatedKey, { maxLength: 3 })
        .map(
          (keys) =>
            JSON.stringify({ keys }, (_name, value: unknown) => (typeof value === 'bigint' ? 1 : value)) ??
            '',
        ),
      fc
        .array(
          fc.constantFrom(
            '-----BEGIN PUBLIC KEY-----',
            '-----END PUBLIC KEY-----',
            '\n',
            ' ',
            'AAAA',
            'ssh-rsa AAAA',
          ),
          { maxLength: 12 },
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          text.map((value) => Buffer.from(value)),
        ),
        (body) => {
          const decoded = drain(decodeJwkSet(body));
          if (decoded.ok) drain(admitEntries(decoded.entries, { origin: 'upstream', maxKeys: 10 }));
          const set = drain(parseKeyFile(body, { name: 'f', maxKeys: 10 }));
          for (const key of set.keys) expect(key.jwk.kid).toBeTypeOf('string');
        },
      ),
      { numRuns: 2000 },
    );
  });
});

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Sets the bits of the last character that belong to no byte. */
const strayBits = (text: string): string => {
  const unused = { 0: 0, 2: 15, 3: 3 }[text.length % 4] ?? 0;
  const last = alphabet.indexOf(text.at(-1) ?? 'A');
  return text.slice(0, -1) + (alphabet[last | unused] ?? '');
};
const bytes = (text: string): Buffer => Buffer.from(text, 'base64url');
const spellings: Readonly<Record<string, (text: string, name: string) => string>> = {
  plain: (text) => text,
  padded: (text) => text.padEnd(Math.ceil(text.length / 4) * 4, '='),
  'standard alphabet': (text) => bytes(text).toString('base64'),
  'standard alphabet without padding': (text) => bytes(text).toString('base64').replace(/=+$/, ''),
  'line breaks': (text) => text.replaceAll(/.{10}/g, '$&\n'),
  'CRLF of MIME': (text) => `${bytes(text).toString('base64').replaceAll(/.{76}/g, '$&\r\n')}\r\n`,
  'stray trailing bits': strayBits,
  'spaces around': (text) => ` ${text}\t`,
  'leading zeros': (text, name) =>
    name === 'n' || name === 'e' || name === 'x-of-EC' || name === 'y'
      ? Buffer.concat([Buffer.alloc(3), bytes(text)]).toString('base64url')
      : text,
};

const respell = (jwk: Jwk, pick: (name: string) => (text: string, name: string) => string): Jwk =>
  Object.fromEntries(
    Object.entries(jwk).map(([name, value]) => {
      const role = name === 'x' && jwk['kty'] === 'EC' ? 'x-of-EC' : name;
      return ['n', 'e', 'x', 'y'].includes(name) ? [name, pick(name)(String(value), role)] : [name, value];
    }),
  );

describe('respellings', () => {
  test.each(Object.keys(spellings))('%s gives the same key as every other spelling', (spelling) => {
    for (const { publicJwk } of kinds) {
      const entry = respell(publicJwk, () => spellings[spelling]!);
      expect(admitted(entry).json).toBe(JSON.stringify(admitted(publicJwk).jwk));
      expect(admitted(entry).thumbprint).toBe(admitted(publicJwk).thumbprint);
    }
  });

  test('a coordinate that begins with a zero byte keeps its full length', () => {
    const x = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAU';
    const y = 'RZJDuapYGAb-kTvOmYF63hHKUDxk2aPFM0FcCDJI-8w';
    const key = admitted({
      kty: 'EC',
      crv: 'P-256',
      x: Buffer.concat([Buffer.alloc(9), bytes(x)]).toString('base64'),
      y,
    });
    expect(key.jwk).toEqual({ kty: 'EC', crv: 'P-256', x, y });
  });

  test('any mixture of spellings gives one thumbprint and one PEM', () => {
    const mixture = fc.tuple(
      fc.constantFrom(...kinds),
      fc.dictionary(fc.constantFrom('n', 'e', 'x', 'y'), fc.constantFrom(...Object.keys(spellings))),
    );
    fc.assert(
      fc.property(mixture, ([pair, picks]) => {
        const entry = respell(pair.publicJwk, (name) => spellings[picks[name] ?? 'plain']!);
        const one = admitted(entry);
        const two = admitted(pair.publicJwk);
        expect([one.thumbprint, one.pem, one.json]).toEqual([two.thumbprint, two.pem, two.json]);
      }),
      { numRuns: 500 },
    );
  });
});

const oddNumber = (fewest: number, most: number) =>
  fc.uint8Array({ minLength: fewest, maxLength: most }).map((content) => {
    const last = content.length - 1;
    return Buffer.from(content.with(last, (content[last] ?? 0) | 1));
  });

describe('every RSA key that is admitted', () => {
  const modulus = fc
    .oneof(...[256, 257, 384, 512, 1024].map((length) => oddNumber(length, length)))
    .map((content) => content.fill((content[0] ?? 0) | 0x80, 0, 1));
  const exponent = oddNumber(1, 4).filter((content) => content.some((byte) => byte > 1));

  test('is one for OpenSSL too, which is not asked, and has the PEM that OpenSSL writes', () => {
    fc.assert(
      fc.property(modulus, exponent, (n, e) => {
        const key = admitted({ kty: 'RSA', n: n.toString('base64url'), e: e.toString('base64url') });
        const reference = createPublicKey({ key: key.jwk as JsonWebKey, format: 'jwk' });
        expect(key.pem).toBe(reference.export({ type: 'spki', format: 'pem' }));
      }),
      { numRuns: 300 },
    );
  });
});
