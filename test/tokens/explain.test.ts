import { describe, expect, test } from 'vitest';
import type { Key, Rejection } from '../../src/jwk/key.ts';
import { explainToken } from '../../src/tokens/explain.ts';
import { verifyToken } from '../../src/tokens/verify.ts';
import { ManualClock } from '../fakes/clock.ts';
import { admitted } from '../fakes/keys.ts';
import { signedAs, signer } from './signer.ts';

const clock = new ManualClock(Date.UTC(2026, 0, 1));
const now = clock.wall() / 1000;
const good = { exp: now + 60 };
const es = signer('ES256', 'es');
const rs = signer('RS256', 'rs');
const ps = signer('PS512', 'ps');
const other = signer('ES256', 'other');

const weak: Rejection = {
  reason: 'weak_key',
  detail: 'RSA with 1024 bits; at least 2048 are needed',
  kid: 'old',
};

describe('a failed verification', () => {
  test.each<[string, string, readonly Key[], string, readonly string[], (readonly Rejection[])?]>([
    [
      'a kid nobody has, though its key is there',
      es.token(good, { kid: 'who' }),
      [rs.key, es.key],
      'unknown_kid',
      ['kid "es"', 'kid "who"', 'publish'],
    ],
    [
      'the kid of another key',
      es.token(good, { kid: 'other' }),
      [es.key, other.key],
      'bad_signature',
      ['kid "es"', 'kid "other"'],
    ],
    [
      'another alg than published',
      signedAs('RS512', rs.privateKey, { alg: 'RS512', kid: 'rs' }, good),
      [rs.key],
      'alg_mismatch',
      ['RS256', 'RS512'],
    ],
    [
      'no kid, another alg than published, and several keys',
      signedAs('RS256', ps.privateKey, { alg: 'RS256' }, good),
      [ps.key, rs.key],
      'bad_signature',
      ['kid "ps"', 'published for PS512', 'the token says RS256'],
    ],
    [
      'a key that is published for encryption',
      rs.token(good),
      [admitted({ ...rs.publicJwk, use: 'enc', alg: undefined })],
      'no_keys',
      ['use enc', '"use": "sig"'],
    ],
    [
      'a key that is not admitted',
      es.token(good, { kid: 'old' }),
      [rs.key],
      'unknown_kid',
      ['"old"', 'weak_key', '1024'],
      [weak],
    ],
    [
      'a set whose only key is not admitted',
      es.token(good, { kid: 'who' }),
      [],
      'no_keys',
      ['weak_key'],
      [weak],
    ],
    [
      'a stranger’s key',
      signer('ES256', 'es').token(good),
      [es.key],
      'bad_signature',
      ['another private key'],
    ],
    ['a stranger’s kid', signer('ES256', 'who').token(good), [es.key], 'unknown_kid', ['publish the signer']],
    ['a token long expired', es.token({ exp: now - 3 * 86_400 }), [es.key], 'expired', ['3 d ago']],
    [
      'a token from the future',
      es.token({ ...good, nbf: now + 92 }),
      [es.key],
      'not_yet_valid',
      ['92 s', 'clocks'],
    ],
    [
      'alg none',
      signedAs('ES256', es.privateKey, { alg: 'none' }, good),
      [es.key],
      'alg_refused',
      ['none', 'ES256'],
    ],
    ['four parts', `${es.token(good)}.x`, [es.key], 'malformed', ['four parts']],
    ['an encrypted token', 'a.b.c.d.e', [es.key], 'malformed', ['JWE']],
  ])(
    'of %s is explained in one sentence that names the next step',
    async (_, token, keys, reason, named, rejected = []) => {
      const verdict = await explainToken(token, keys, { clock, rejected });
      if (verdict.valid) throw new Error('valid');
      expect(verdict.reason).toBe(reason);
      expect(verdict.reason).toBe(((await verifyToken(token, keys, { clock })) as typeof verdict).reason);
      for (const part of named) expect(verdict.detail).toContain(part);
      expect(verdict.detail).toMatch(/^[^\n]+[;,:] [^\n]+[^.\n]$/u);
    },
  );

  test('never becomes a good one, and a good one stays', async () => {
    const misnamed = await explainToken(es.token(good, { kid: 'who' }), [es.key], { clock });
    expect(misnamed).toMatchObject({ valid: false, key: es.key });
    expect(misnamed).not.toHaveProperty('claims');
    expect(await explainToken(es.token(good), [es.key], { clock })).toMatchObject({ valid: true });
  });
});
