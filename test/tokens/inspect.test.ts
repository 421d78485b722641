import { describe, expect, test } from 'vitest';
import { inspectToken, tokenWarnings, type InspectOptions } from '../../src/tokens/inspect.ts';
import { signedAs, signer } from './signer.ts';

const now = 1_767_225_600;
const es = signer('ES256', 'es');
const other = signer('ES256', 'other');
const good = { sub: 'jane', exp: now + 60, roles: ['R'], oc: { 'e:1': ['read'] }, aud: 'x', groups: ['g'] };

const codesOf = (token: string, options: Partial<InspectOptions> = {}): readonly string[] => {
  const inspection = inspectToken(token, { now, limit: 100_000, ...options });
  if (!inspection.ok) throw new Error(inspection.detail);
  return inspection.warnings.map(({ code }) => code);
};
const withClaims = (claims: object): string => es.token({ ...good, ...claims });
const withHeader = (header: object): string => signedAs('ES256', es.privateKey, header, good);

const oddities: [code: string, token: string, options?: Partial<InspectOptions>][] = [
  ['too-large', withClaims({ pad: 'x'.repeat(16_384) })],
  ['alg-none', withHeader({ alg: 'none' })],
  ['alg-symmetric', withHeader({ alg: 'HS256' })],
  ['alg-unknown', withHeader({ alg: 'ES256K' })],
  ['alg-ed25519', withHeader({ alg: 'Ed25519' })],
  ['crit', withHeader({ alg: 'ES256', crit: ['x'] })],
  ['kid-missing', withHeader({ alg: 'ES256' }), { keys: [es.key, other.key] }],
  ['kid-not-in-set', es.token(good), { keys: [other.key] }],
  ['no-exp', withClaims({ exp: undefined })],
  ['bad-date', withClaims({ exp: '2030-01-01' })],
  ['expired', withClaims({ exp: now - 1 })],
  ['not-yet-valid', withClaims({ nbf: now + 10 })],
  ['aud-array', withClaims({ aud: ['x'] })],
  ['groups-not-strings', withClaims({ groups: 'root' })],
  ['roles-not-strings', withClaims({ roles: [1] })],
  ['oc-array', withClaims({ oc: ['e:1'] })],
  ['oc-roles', withClaims({ 'oc-roles': ['R'] })],
  ['oc-actions-object', withClaims({ oc: { 'e:1': { read: true } } })],
];

describe('tokens inspect', () => {
  test('has nothing to say about a good token', () => {
    expect(codesOf(es.token(good), { keys: [es.key, other.key] })).toEqual([]);
  });

  test.each(oddities)('%s is found, and nothing else', (code, token, options) => {
    expect(codesOf(token, options)).toEqual([code]);
  });

  test('every code has its test', () => {
    expect(oddities.map(([code]) => code).toSorted()).toEqual([...tokenWarnings].toSorted());
  });

  test('each warning is one line without the token in it', () => {
    for (const [, token, options] of oddities) {
      const inspection = inspectToken(token, { now, limit: 100_000, ...options });
      if (!inspection.ok) throw new Error(inspection.detail);
      for (const { detail } of inspection.warnings) expect(detail).toMatch(/^[^\n]{10,200}$/u);
    }
  });

  test.each([
    '',
    'x',
    'a.b',
    'a.b.c.d',
    'a.b.c.d.e',
    `${es.token(good)}\n`,
    signedAs('ES256', es.privateKey, { alg: 'ES256' }, '[]'),
  ])('is refused for what is no token (%j)', (text) => {
    expect(inspectToken(text, { now, limit: 100_000 }).ok).toBe(false);
  });
});
