import { generateKeyPairSync } from 'node:crypto';
import { SignJWT, type JWTPayload } from 'jose';
import { describe, expect, test } from 'vitest';
import { admitJwk } from '../../src/jwk/admit.ts';
import type { Key } from '../../src/jwk/key.ts';
import {
  grantOf,
  JwtAccess,
  type AccessOutcome,
  type JwtAccessOptions,
} from '../../src/tokens/access-token.ts';
import { ManualClock } from '../fakes/clock.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keyOf = (kid: string): Key => {
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' };
  const admission = admitJwk(jwk, { origin: 'upstream' });
  if (!admission.ok) throw new Error(admission.rejection.detail);
  return admission.key;
};
const clock = new ManualClock();
const now = clock.wall() / 1000;
const scope = 'client_jwks_registration_scope';
const good = { iss: 'https://sso.example.org', aud: 'jwksd', exp: now + 60, client_id: 'app', scope };

const mint = async (odd: Record<string, unknown> = {}, kid = 'k1', signer = pair): Promise<string> =>
  await new SignJWT(JSON.parse(JSON.stringify({ ...good, ...odd })) as JWTPayload)
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
    .sign(signer.privateKey);

const judge = async (token: string, odd: Partial<JwtAccessOptions> = {}): Promise<AccessOutcome> =>
  await new JwtAccess({
    clock,
    issuer: good.iss,
    audience: 'jwksd',
    scope,
    keys: () => [keyOf('k1')],
    demand: async () => undefined,
    ...odd,
  }).judge(token);

/** `error code` of a refusal, `ok` of a grant. */
const verdict = async (token: string, odd: Partial<JwtAccessOptions> = {}): Promise<string> => {
  const outcome = await judge(token, odd);
  if (outcome.ok) return 'ok';
  if (token.length > 100) expect(outcome.detail).not.toContain(token.slice(-20));
  return `${outcome.error} ${outcome.code}`;
};

describe('an access token that is a JWT', () => {
  test('names its client, and azp does where client_id is absent', async () => {
    expect(await judge(await mint())).toEqual({ ok: true, clientId: 'app', scopes: [scope] });
    expect(await judge(await mint({ client_id: undefined, azp: 'b' }))).toMatchObject({ clientId: 'b' });
    expect(await judge(await mint({ client_id: 'a', azp: 'b' }))).toMatchObject({ clientId: 'a' });
    expect(await judge(await mint({ client_id: null, azp: 'b' }))).toMatchObject({ clientId: 'b' });
  });

  test('may name a client by any text', async () => {
    for (const clientId of ['../../etc', 'a/b?c#d', '\u{1F511}\0', '__proto__', 'c'.repeat(2000)]) {
      expect(await judge(await mint({ client_id: clientId }))).toMatchObject({ ok: true, clientId });
    }
  });

  test.each<[string, Record<string, unknown>]>([
    ['invalid_token no_client_id', { client_id: undefined }],
    ['invalid_token no_client_id', { client_id: '' }],
    ['invalid_token no_client_id', { client_id: 5, azp: 'b' }],
    ['invalid_token bad_client_id', { client_id: 'a\ud800' }],
    ['invalid_token bad_client_id', { client_id: undefined, azp: '\udc00b' }],
    ['invalid_token no_client_id', { client_id: ['a'] }],
    ['invalid_token wrong_issuer', { iss: 'https://sso.example.org/' }],
    ['invalid_token wrong_issuer', { iss: undefined }],
    ['invalid_token wrong_issuer', { iss: ['https://sso.example.org'] }],
    ['invalid_token wrong_audience', { aud: undefined }],
    ['invalid_token wrong_audience', { aud: 'jwksd2' }],
    ['invalid_token wrong_audience', { aud: ['jwksd', 5] }],
    ['ok', { aud: ['other', 'jwksd'] }],
    ['invalid_token no_exp', { exp: undefined }],
    ['invalid_token expired', { exp: now - 5 }],
    ['ok', { exp: now - 4 }],
    ['invalid_token bad_claim', { exp: 'never' }],
    ['invalid_token bad_claim', { exp: 1e308 }],
    ['invalid_token not_yet_valid', { nbf: now + 6 }],
    ['insufficient_scope insufficient_scope', { scope: undefined }],
    ['insufficient_scope insufficient_scope', { scope: '' }],
    ['insufficient_scope insufficient_scope', { scope: `${scope}s` }],
    ['insufficient_scope insufficient_scope', { scope: `x${scope} ${scope.toUpperCase()}` }],
    ['insufficient_scope insufficient_scope', { scope: `openid\t${scope}` }],
    ['insufficient_scope insufficient_scope', { scope: { [scope]: true } }],
    ['ok', { scope: `openid ${scope} email` }],
    ['ok', { scope: ['openid', scope] }],
  ])('%s: %o', async (expected, odd) => {
    expect(await verdict(await mint(odd))).toBe(expected);
  });

  test('is refused when another key signed it, and when it is none', async () => {
    expect(await verdict(await mint({}, 'k1', stranger))).toBe('invalid_token bad_signature');
    for (const token of ['', 'opaque', 'a.b.c', ' ', 'x'.repeat(20_000), `${await mint()} `]) {
      expect(await verdict(token)).toMatch(/^invalid_token (malformed|too_large)$/);
    }
    const [, body] = (await mint()).split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    expect(await verdict(`${none}.${body}.`)).toBe('invalid_token alg_refused');
  });

  test('with a kid that is not known asks for one refresh, and is judged by what came of it', async () => {
    const asked: string[] = [];
    let keys = [keyOf('k1')];
    const parts = {
      keys: () => keys,
      demand: async (kid: string) => {
        asked.push(kid);
        if (kid === 'k2') keys = [keyOf('k2')];
      },
    };
    expect(await verdict(await mint({}, 'k9'), parts)).toBe('invalid_token unknown_kid');
    expect(await verdict(await mint({}, 'k2'), parts)).toBe('ok');
    expect(await verdict(await mint({}, 'k2'), parts)).toBe('ok');
    expect(asked).toEqual(['k9', 'k2']);
  });

  test('is neither good nor bad while its source has no keys, as one that is EXPIRED', async () => {
    expect(await verdict(await mint(), { keys: () => [] })).toBe('unavailable no_keys');
  });
});

test('what the caller of a refused token is told depends on the kind of refusal alone', async () => {
  const told = new Set<string>();
  for (const odd of [{ exp: 1 }, { iss: 'x' }, { aud: 'x' }, { client_id: '' }]) {
    const outcome = await judge(await mint(odd));
    if (!outcome.ok) told.add(outcome.description);
  }
  expect(told.size).toBe(1);
});

test('a claim set without a prototype or with a hostile one grants by its own members', () => {
  const claims = JSON.parse(`{"__proto__":{"client_id":"x"},"scope":"${scope}"}`) as Record<string, unknown>;
  expect(grantOf(claims, scope)).toMatchObject({ ok: false, code: 'no_client_id' });
});
