import { describe, expect, test } from 'vitest';
import type { Key } from '../../../src/jwk/key.ts';
import { validateSigned, type Issuer } from '../../../src/tokens/validation/issuers.ts';
import { VerifiedTokens } from '../../../src/tokens/validation/verified-tokens.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { signer } from '../signer.ts';

const idp = signer('ES256', 'a');
const iss = 'https://a.example';

const setUp = (options: { maxEntries?: number; ttl?: number } = {}) => {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  let keys: readonly Key[] = [idp.key];
  const issuer: Issuer = {
    name: 'a',
    issuer: iss,
    keys: () => keys,
    demand: async () => await Promise.resolve(),
    algorithms: undefined,
    audience: [],
    clockSkew: 30_000,
    allowNoExp: false,
  };
  const verified = new VerifiedTokens({ maxEntries: 2, ttl: 60_000, ...options }, clock);
  const exp = clock.wall() / 1000 + 40;
  return {
    clock,
    verified,
    token: (claims: object = {}) => idp.token({ iss, sub: 'jane', exp, ...claims }),
    ask: async (token: string) => {
      const outcome = await validateSigned(token, [issuer], clock, verified);
      return outcome.valid ? 'valid' : outcome.reason;
    },
    hits: () => verified.results['hit'] ?? 0,
    publish: (next: readonly Key[]) => (keys = next),
  };
};

describe('verified tokens', () => {
  test('are not verified again while the keys are the same', async () => {
    const { ask, token, hits } = setUp();
    const good = token();
    expect([await ask(good), await ask(good), await ask(good)]).toEqual(['valid', 'valid', 'valid']);
    expect(hits()).toBe(2);
  });

  test('are forgotten as soon as their issuer has other keys, even when the key is still among them', async () => {
    const { ask, token, hits, publish } = setUp();
    const good = token();
    await ask(good);
    publish([signer('ES256', 'a').key]);
    expect(await ask(good)).toBe('bad_signature');
    publish([idp.key]);
    expect(await ask(good)).toBe('valid');
    expect(hits()).toBe(0);
  });

  test('are never answered past exp, nor past ttl, nor when the wall clock was set', async () => {
    const { ask, clock, hits, token } = setUp({ ttl: 20_000 });
    const good = token();
    await ask(good);
    await clock.advance(19_999);
    expect([await ask(good), hits()]).toEqual(['valid', 1]);
    await clock.advance(1);
    expect([await ask(good), hits()]).toEqual(['valid', 1]);
    // Remembered anew for 20 s, which is exp: within the skew it is verified again each time.
    await clock.advance(20_000);
    expect([await ask(good), hits()]).toEqual(['valid', 1]);
    expect([await ask(good), hits()]).toEqual(['valid', 1]);
    await clock.advance(30_000);
    expect([await ask(good), hits()]).toEqual(['expired', 1]);
    const later = setUp();
    const other = later.token();
    await later.ask(other);
    later.clock.stepWall(3_600_000);
    expect([await later.ask(other), later.hits()]).toEqual(['expired', 0]);
  });

  test('are at most so many, and refused ones are none of them', async () => {
    const { ask, token, hits } = setUp();
    const [one, two, three] = ['1', '2', '3'].map((jti) => token({ jti }));
    for (const each of [one, two, three]) await ask(each ?? '');
    expect(hits()).toBe(0);
    await ask(three ?? '');
    await ask(two ?? '');
    expect(hits()).toBe(2);
    await ask(one ?? '');
    expect(hits()).toBe(2);
    const bad = token({ sub: '' });
    expect([await ask(bad), await ask(bad), hits()]).toEqual(['bad_sub', 'bad_sub', 2]);
  });
});
