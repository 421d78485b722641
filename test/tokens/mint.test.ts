import { verify as verifyRaw } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { mintToken, type Minted, type SigningKey } from '../../src/tokens/mint.ts';
import { tokenProfiles } from '../../src/tokens/profiles/all.ts';
import type { TokenProfile, TokenRequest } from '../../src/tokens/profiles/profile.ts';
import { verifyToken } from '../../src/tokens/verify.ts';
import { ManualClock } from '../fakes/clock.ts';
import { admitted } from '../fakes/keys.ts';
import { signer, type Signer } from './signer.ts';

const clock = new ManualClock(Date.UTC(2026, 0, 1));
const now = clock.wall() / 1000;
const minting = { now, id: '0f9c3a0e-0000-4000-8000-000000000001' };

/** A key as a PEM gives it: no kid but the thumbprint, and an alg only where the curve has one. */
const fromPem = ({ publicJwk, privateKey }: Signer): SigningKey => {
  const { kid: _kid, alg: _alg, use: _use, ...bare } = publicJwk;
  return { key: admitted(bare, 'file'), privateKey };
};
const es256 = signer('ES256', 'es');
const rs = signer('RS256', 'rs');
const ec = fromPem(es256);
const rsa = fromPem(rs);

const nothing: TokenRequest = {
  groups: [],
  audience: [],
  events: new Map(),
  instructor: false,
  claims: new Map(),
};
const profile = (name: string): TokenProfile => tokenProfiles.get(name)!;
const events = new Map([['8a7b', ['read']]]);

const mint = async (
  name: string,
  request: Partial<TokenRequest> & { alg?: string; kid?: string },
  key: SigningKey = ec,
): Promise<Minted> => {
  const minted = await mintToken(profile(name), { ...nothing, ...request }, key, minting);
  if (!minted.ok) throw new Error(minted.detail);
  return minted;
};
const refusalOf = async (...args: Parameters<typeof mint>): Promise<string> => {
  const [name, request, key = ec] = args;
  const minted = await mintToken(profile(name), { ...nothing, ...request }, key, minting);
  return minted.ok ? 'minted' : minted.detail;
};
const partsOf = ({ token }: Minted): readonly [header: string, claims: string] => {
  const [header = '', claims = ''] = token
    .split('.')
    .map((part) => Buffer.from(part, 'base64url').toString());
  return [header, claims];
};

const algOf = async (key: SigningKey, alg?: string): Promise<string | undefined> =>
  (await mint('okera', { subject: 'j', ...(alg === undefined ? {} : { alg }) }, key)).header['alg'];

describe('byte for byte', () => {
  test('moodle: ES256, no kid, 15 seconds, the role of the course and the event', async () => {
    expect(partsOf(await mint('moodle', { course: '5', events }))).toEqual([
      '{"typ":"JWT","alg":"ES256"}',
      `{"exp":${now + 15},"roles":["5_Learner"],"oc":{"e:8a7b":["read"]}}`,
    ]);
    const teacher = await mint('moodle', { course: '5', instructor: true });
    expect(teacher.claims).toEqual({ exp: now + 15, roles: ['5_Instructor'] });
  });

  test('opencast: who it is, roles and events, 5 minutes', async () => {
    const claims = new Map<string, unknown>([
      ['name', 'Jane'],
      ['email', 'jane@example.org'],
    ]);
    const minted = await mint('opencast', { subject: 'jane', groups: ['ROLE_A', 'ROLE_B'], events, claims });
    expect(partsOf(minted)).toEqual([
      '{"typ":"JWT","alg":"ES256"}',
      `{"exp":${now + 300},"sub":"jane","roles":["ROLE_A","ROLE_B"],"oc":{"e:8a7b":["read"]},"name":"Jane","email":"jane@example.org"}`,
    ]);
  });

  test('tobira: sub, oc and roles, 30 seconds', async () => {
    const minted = await mint('tobira', { subject: 'jane', groups: ['R'], events });
    expect(partsOf(minted)).toEqual([
      '{"typ":"JWT","alg":"ES256"}',
      `{"exp":${now + 30},"sub":"jane","oc":{"e:8a7b":["read"]},"roles":["R"]}`,
    ]);
  });

  test('jitsi: RS256, typ and kid, aud a string, from now for an hour', async () => {
    const claims = new Map([['context', { user: { name: 'Jane' } }]]);
    const minted = await mint('jitsi', { subject: '*', issuer: 'app', room: 'tea', claims }, rsa);
    expect(partsOf(minted)).toEqual([
      `{"typ":"JWT","alg":"RS256","kid":"${rsa.key.thumbprint}"}`,
      `{"iss":"app","aud":"jitsi","sub":"*","room":"tea","nbf":${now},"exp":${now + 3600},"context":{"user":{"name":"Jane"}}}`,
    ]);
  });

  test('okera: RS512, a kid and a jti, 100 days, groups only where there are some', async () => {
    const minted = await mint('okera', { subject: 'jane', groups: ['ops'] }, rsa);
    expect(partsOf(minted)).toEqual([
      `{"typ":"JWT","alg":"RS512","kid":"${rsa.key.thumbprint}"}`,
      `{"sub":"jane","iss":"jwksd","groups":["ops"],"exp":${now + 8_640_000},"iat":${now},"jti":"${minting.id}"}`,
    ]);
    expect((await mint('okera', { subject: 'jane' }, rsa)).claims).not.toHaveProperty('groups');
  });
});

describe('a minted token', () => {
  test.each(['ES256', 'ES384', 'ES512', 'RS256', 'PS384', 'EdDSA', 'Ed25519'])(
    'is verified by jose and by verifyToken (%s)',
    async (alg) => {
      const one = signer(alg, 'k');
      const minted = await mint('opencast', { groups: ['R'], kid: 'k' }, one);
      expect(minted.header['alg']).toBe(alg);
      const set = createLocalJWKSet({ keys: [one.publicJwk] });
      const options = { currentDate: new Date(clock.wall()), typ: 'JWT' };
      expect((await jwtVerify(minted.token, set, options)).payload).toEqual(minted.claims);
      expect(await verifyToken(minted.token, [one.key], { clock })).toMatchObject({ valid: true });
    },
  );

  test.each([
    ['ES256', 64],
    ['ES384', 96],
    ['ES512', 132],
  ])('has with %s a signature of %i bytes, r||s', async (alg, size) => {
    const one = signer(alg, 'k');
    const { token } = await mint('opencast', { groups: ['R'] }, one);
    const [header, claims, signature] = token.split('.') as [string, string, string];
    const bytes = Buffer.from(signature, 'base64url');
    expect(bytes.length).toBe(size);
    const key = { key: one.key.pem!, dsaEncoding: 'ieee-p1363' } as const;
    expect(verifyRaw(`sha${alg.slice(2)}`, Buffer.from(`${header}.${claims}`), key, bytes)).toBe(true);
  });

  test('names the key by its kid, its thumbprint, or as told', async () => {
    const request = { subject: 'jane' };
    expect((await mint('okera', request, rs)).header['kid']).toBe('rs');
    expect((await mint('okera', request, rsa)).header['kid']).toBe(rsa.key.thumbprint);
    expect((await mint('okera', { ...request, kid: 'other' }, rsa)).header['kid']).toBe('other');
    expect((await mint('opencast', { groups: ['R'] })).header).not.toHaveProperty('kid');
  });

  test('has one aud as a string, several as a list', async () => {
    const audience = ['a', 'b'];
    expect((await mint('okera', { subject: 'j', audience: ['a'] }, rsa)).claims['aud']).toBe('a');
    expect((await mint('okera', { subject: 'j', audience }, rsa)).claims['aud']).toEqual(['a', 'b']);
  });

  test('uses the algorithm of its key: RS512 only where the key leaves the choice', async () => {
    expect(await algOf(rsa)).toBe('RS512');
    expect(await algOf(rsa, 'RS256')).toBe('RS256');
    expect(await algOf(rs)).toBe('RS256');
    expect(await algOf(ec)).toBe('ES256');
    expect(await algOf(fromPem(signer('EdDSA', 'k')))).toBe('EdDSA');
  });

  test('of okera warns above 90 days', async () => {
    const day = 86_400;
    expect((await mint('okera', { subject: 'j', ttl: 90 * day }, rsa)).advice).toBeUndefined();
    expect((await mint('okera', { subject: 'j', ttl: 90 * day + 1 }, rsa)).advice).toContain('90 days');
    expect((await mint('okera', { subject: 'j' }, rsa)).advice).toContain('100 days');
  });

  test('can have a claim of any name', async () => {
    const minted = await mint('opencast', {
      groups: ['R'],
      claims: new Map([['__proto__', { admin: true }]]),
    });
    expect(partsOf(minted)[1]).toContain('"__proto__":{"admin":true}');
  });
});

describe('no token is made', () => {
  const secp = signer('ES256', 'x');
  test.each<[string, Parameters<typeof mint>, string]>([
    ['a moodle token that allows nothing', ['moodle', {}], 'GROUP, --course'],
    ['an opencast token that allows nothing', ['opencast', { subject: 'jane' }], '--event'],
    ['a tobira token for nobody', ['tobira', { events }], 'SUBJECT'],
    ['an okera token for nobody', ['okera', {}, rsa], 'SUBJECT'],
    ['a jitsi token without iss', ['jitsi', { subject: '*' }, rsa], '--iss'],
    ['a jitsi token without tenant', ['jitsi', { issuer: 'a' }, rsa], 'SUBJECT'],
    [
      'a jitsi token of two aud',
      ['jitsi', { subject: '*', issuer: 'a', audience: ['a', 'b'] }, rsa],
      '--aud once',
    ],
    ['a moodle token with kid', ['moodle', { course: '5', kid: 'k' }], 'never has kid'],
    ['a moodle token with iss', ['moodle', { course: '5', issuer: 'm' }], 'never has iss'],
    ['a moodle token with aud', ['moodle', { course: '5', audience: ['m'] }], 'never has aud'],
    ['a moodle token with iat', ['moodle', { course: '5', claims: new Map([['iat', 1]]) }], 'never has iat'],
    [
      'a claim that is there',
      ['opencast', { groups: ['R'], claims: new Map([['roles', []]]) }],
      '--claim roles',
    ],
    ['a jitsi token with an event', ['jitsi', { subject: '*', issuer: 'a', events }, rsa], '--event'],
    ['an okera token with a course', ['okera', { subject: 'j', course: '5' }, rsa], '--course'],
    ['an opencast token with a room', ['opencast', { groups: ['R'], room: 'tea' }], '--room'],
    ['a token valid for ever', ['opencast', { groups: ['R'], ttl: 1e12 }], 'year 9999'],
    ['a moodle token of an RSA key', ['moodle', { course: '5' }, rsa], 'ES256 or ES384'],
    ['a jitsi token of an EC key', ['jitsi', { subject: '*', issuer: 'a' }], 'RS256 or RS384 or RS512'],
    ['RS256 with an EC key', ['opencast', { groups: ['R'], alg: 'RS256' }], 'use ES256'],
    ['PS256 with a key for RS256', ['opencast', { groups: ['R'], alg: 'PS256' }, rs], 'use RS256'],
    ['HS256', ['opencast', { groups: ['R'], alg: 'HS256' }, secp], 'use ES256'],
  ])('for %s, and the sentence says what to change', async (_, args, named) => {
    expect(await refusalOf(...args)).toContain(named);
  });
});
