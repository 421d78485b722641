import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rejectReasons } from '../../../src/jwk/key.ts';
import { ecJwk, rsaJwk, type Jwk } from '../../fakes/keys.ts';
import { ok } from '../../fakes/upstream.ts';
import { get } from '../client.ts';
import { startRig, type Rig, type SourceSpec } from './rig.ts';

const good = ecJwk('good');
const bad = (members: object): Jwk => ({ ...ecJwk('bad'), ...members });
const rsa = (members: object): Jwk => ({ ...rsaJwk('bad'), ...members });
const number = (bytes: Buffer): string => bytes.toString('base64url');
const rsaOf = (bits: number): string => number(Buffer.alloc(bits / 8, 0xff));
const zeros = number(Buffer.alloc(32));
const ecPrivate = (): Jwk => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...(privateKey.export({ format: 'jwk' }) as Jwk), kid: 'bad' };
};

const ecPrivateKey = ecPrivate();

/** A key that is turned away, the reason. */
type Case = readonly [title: string, entry: unknown, reason: string, source?: SourceSpec['source']];

const cases: readonly Case[] = [
  ['a private EC key', ecPrivateKey, 'private_material'],
  ['a private member that is null', bad({ d: null }), 'private_material'],
  ['a private member that is empty', rsa({ qi: '' }), 'private_material'],
  ['a private ML-DSA member', bad({ priv: 'AA' }), 'private_material'],
  ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0', kid: 'bad' }, 'private_material'],
  ['a symmetric key without its secret', { kty: 'oct', kid: 'bad' }, 'unsupported_kty'],
  ['an unknown type', bad({ kty: 'PQC' }), 'unsupported_kty'],
  ['an unknown ML-DSA', { kty: 'AKP', alg: 'ML-DSA-99', pub: 'AAAA', kid: 'bad' }, 'unsupported_kty'],
  ['an unknown curve', bad({ crv: 'P-192' }), 'unsupported_crv'],
  ['an unknown Edwards curve', { kty: 'OKP', crv: 'Ed1', x: zeros, kid: 'bad' }, 'unsupported_crv'],
  ['RSA with 1,024 bits', rsa({ n: rsaOf(1024) }), 'weak_key'],
  ['RSA with an exponent of 1', rsa({ e: 'AQ' }), 'weak_key'],
  ['RSA with an even exponent', rsa({ e: 'AQAA' }), 'weak_key'],
  ['RSA with an exponent of 2^32 + 1', rsa({ e: 'AQAAAAE' }), 'weak_key'],
  ['RSA with an even modulus', rsa({ n: number(Buffer.alloc(256, 0xfe)) }), 'weak_key'],
  ['an Ed25519 point of small order', { kty: 'OKP', crv: 'Ed25519', x: zeros, kid: 'bad' }, 'weak_key'],
  ['RSA with 16,384 bits', rsa({ n: rsaOf(16_384) }), 'oversize_key'],
  ['RSA with 400,000 bits', rsa({ n: rsaOf(400_000) }), 'oversize_key'],
  ['null', null, 'malformed'],
  ['a number', 7, 'malformed'],
  ['a text', 'key', 'malformed'],
  ['a list', [good], 'malformed'],
  ['an empty object', {}, 'malformed'],
  ['a type that is a list', bad({ kty: ['EC'] }), 'malformed'],
  ['an empty modulus', rsa({ n: '' }), 'malformed'],
  ['a modulus that is a number', rsa({ n: 65537 }), 'malformed'],
  ['a coordinate that is not base64', bad({ x: '!!!!' }), 'malformed'],
  ['a coordinate that is too short', bad({ x: 'AAAA' }), 'malformed'],
  ['no y', bad({ y: null }), 'malformed'],
  ['a point off the curve', bad({ x: zeros }), 'malformed'],
  ['another type’s algorithm', bad({ alg: 'RS256' }), 'malformed'],
  ['a curve’s other algorithm', bad({ alg: 'ES512' }), 'malformed'],
  ['a use that is an object', bad({ use: {} }), 'malformed'],
  ['operations that are a text', bad({ key_ops: 'verify' }), 'malformed'],
  ['200,000 characters in a coordinate', bad({ x: 'A'.repeat(200_000) }), 'malformed'],
  ['a kid with a line break', bad({ kid: 'bad\r\nset-cookie: a' }), 'bad_kid'],
  ['a kid of 2,000 bytes', bad({ kid: 'k'.repeat(2000) }), 'bad_kid'],
  ['half a character in the kid', bad({ kid: '\uD800' }), 'bad_kid'],
  ['one key too many', bad({}), 'over_limit', { maxKeys: 2 }],
];

const table = cases.map(([title, entry, reason, source], index) => ({
  title,
  entry,
  reason,
  name: `s${index}`,
  ...(source === undefined ? {} : { source }),
}));

const second = ecJwk('second');
let rig: Rig;

beforeAll(async () => {
  rig = await startRig(table, {
    before: (upstreams) => {
      for (const { name, entry, reason } of table) {
        // Before, between and behind good keys, but beyond the limit only behind them.
        const keys = reason === 'over_limit' ? [good, second, entry] : [entry, good, entry, second, entry];
        upstreams.set(name, ok({ keys }));
      }
    },
  });
  await rig.jwksd.all('FRESH');
}, 30_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

test('every reason an upstream can give has a case', () => {
  // Only a list of files says which algorithm a key is for.
  const possible = rejectReasons.filter((reason) => reason !== 'wrong_alg');
  expect(new Set(cases.map(([, , reason]) => reason))).toEqual(new Set(possible));
});

test.each(table)('beside $title the good keys are served: $reason', async ({ name, reason }) => {
  const { jwksd } = rig;
  expect(await jwksd.kids(name)).toEqual(['good', 'second']);
  const times = reason === 'over_limit' ? 1 : 3;
  const { rejected, lastError, state } = await jwksd.source(name);
  expect({ rejected, lastError, state }).toEqual({
    rejected: { [reason]: times },
    lastError: null,
    state: 'FRESH',
  });
  const sample = `jwksd_upstream_keys_rejected{source="${name}",reason="${reason}"}`;
  expect(await jwksd.metric(sample)).toBe(times);
  expect((await get(`${jwksd.server.url}/sets/${name}/keys/good.pem`)).text).toContain('BEGIN PUBLIC KEY');
  expect(
    jwksd.server.log().some((line) => line['source'] === name && JSON.stringify(line).includes(reason)),
  ).toBe(true);
});

test('nothing of a bad key leaves: no private member, no line break of a kid', async () => {
  const { jwksd } = rig;
  const secret = String(ecPrivateKey['d']);
  const places = [
    jwksd.server.output(),
    (await get(`${jwksd.server.opsUrl}/status`)).text,
    (await get(`${jwksd.server.opsUrl}/metrics`)).text,
    (await get(`${jwksd.server.url}/sets/s0/jwks.json`)).text,
  ];
  for (const place of places) {
    expect(place).not.toContain(secret);
    expect(place).not.toContain('\r\nset-cookie');
  }
});

test('the reasons go when the upstream mends its set', async () => {
  const { jwksd, upstreams } = rig;
  for (const { name } of table) upstreams.set(name, ok({ keys: [good, second] }));
  for (const { name } of table) await jwksd.refresh(name);
  for (const { name } of table) {
    await jwksd.until(name, ({ rejected }) => Object.keys(rejected).length === 0);
    expect(await jwksd.kids(name)).toEqual(['good', 'second']);
  }
  expect(
    [...(await jwksd.metrics())].filter(([name]) => name.startsWith('jwksd_upstream_keys_rejected')),
  ).toEqual([]);
});
