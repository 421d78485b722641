import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLimiter, type Limiter } from '../../../src/sources/limiter.ts';
import { failure, type FailureCode } from '../../../src/sources/upstream/failure.ts';
import type { UpstreamSource } from '../../../src/sources/upstream/upstream.ts';
import { ManualClock, settle } from '../../fakes/clock.ts';
import { ecJwk, jwks, kidsOf, rsaJwk } from '../../fakes/keys.ts';
import {
  answer,
  failing,
  held,
  notModifiedOr,
  rig,
  started,
  statusOf,
  type Reply,
} from '../../fakes/upstream-source.ts';

const minute = 60_000;
const hour = 60 * minute;
const good = answer(jwks('a', 'b'));

const bytes =
  (body: Buffer): Reply =>
  () => ({ ok: true, status: 200, headers: {}, body });

const spacing = async (headers: Record<string, string>): Promise<number> => {
  const { network, clock } = await started([answer(jwks('a'), headers)]);
  await clock.advance(2 * hour);
  const gaps = network.sent.slice(1).map(({ at }, n) => at - (network.sent[n]?.at ?? 0));
  expect(new Set(gaps).size).toBe(1);
  return gaps[0] ?? 0;
};

describe('states', () => {
  test('INIT until the first attempt ends, then FRESH', async () => {
    const { source, states } = await started([good]);
    expect(states()).toEqual(['INIT', 'FRESH']);
    expect(kidsOf(source.current.keys)).toEqual(['a', 'b']);
    expect(source.status()).toMatchObject({ state: 'FRESH', keys: 2, attempts: { ok: 1 }, age: 0 });
  });

  test('DOWN when the first cycle fails, FRESH when the upstream is there', async () => {
    const { source, clock, network, states } = await started([failing('connect')]);
    await clock.advance(4000);
    expect(source.current).toMatchObject({ state: 'DOWN', keys: [] });
    expect(source.status().lastError).toMatchObject({ code: 'connect' });
    network.answerWith(good);
    await clock.advance(30_000);
    expect(states()).toEqual(['INIT', 'DOWN', 'FRESH']);
    expect(source.status()).toMatchObject({ consecutiveFailures: 0 });
  });

  test('STALE after a failed cycle, with all keys, EXPIRED and empty at maxStale, FRESH again afterwards', async () => {
    const { source, clock, network, states, history } = await started([good]);
    network.answerWith(failing('timeout'));
    await clock.advance(5 * minute + 5000);
    expect(states()).toEqual(['INIT', 'FRESH', 'STALE']);
    expect(history.at(-1)?.keys).toBe(history.at(-2)?.keys);
    await clock.advance(24 * hour - 5 * minute - 5001);
    expect(source.current).toMatchObject({ state: 'STALE' });
    expect(source.current.keys).toHaveLength(2);
    await clock.advance(1);
    expect(source.current).toMatchObject({ state: 'EXPIRED', keys: [] });
    network.answerWith(good);
    await clock.advance(minute);
    expect(states()).toEqual(['INIT', 'FRESH', 'STALE', 'EXPIRED', 'FRESH']);
  });

  test('STALE by age alone when refreshes never end', async () => {
    const { source, clock, network } = await started([good]);
    network.answerWith(held().reply);
    await clock.advance(11 * minute - 1);
    expect(source.current.state).toBe('FRESH');
    await clock.advance(1);
    expect(source.current.state).toBe('STALE');
  });

  test('keys that expired do not come back as retiring when the upstream returns with others', async () => {
    const { source, clock, network, history } = await started([good], { maxStale: hour });
    network.answerWith(failing('connect'));
    await clock.advance(hour + minute);
    expect(source.current.state).toBe('EXPIRED');
    network.answerWith(answer(jwks('c')));
    await clock.advance(minute);
    const since = history.slice(history.findIndex(({ state }) => state === 'EXPIRED'));
    expect(since.map(({ keys }) => kidsOf(keys))).toEqual([[], ['c']]);
  });

  test('maxStale below staleAfter goes from FRESH to EXPIRED', async () => {
    const { clock, network, states } = await started([good], { maxStale: minute });
    network.answerWith(held().reply);
    await clock.advance(10 * minute);
    expect(states()).toEqual(['INIT', 'FRESH', 'EXPIRED']);
  });
});

describe('staleIfError', () => {
  const expiresAfterFailure = async (
    staleIfError: 'always' | 'rfc9111' | 'never',
    cacheControl: string | undefined,
  ): Promise<number> => {
    const headers = cacheControl === undefined ? {} : { 'cache-control': cacheControl };
    const { source, clock, network } = await started([answer(jwks('a'), headers)], { staleIfError });
    const start = clock.now();
    network.answerWith(failing('connect'));
    while (source.current.state !== 'EXPIRED' && clock.now() - start < 25 * hour) await clock.advance(10_000);
    return Math.round((clock.now() - start) / 10_000) * 10_000;
  };

  test.each([
    ['always', 'max-age=600', 24 * hour],
    ['never', 'max-age=600', 10 * minute],
    ['never', undefined, 11 * minute],
    ['rfc9111', 'max-age=600', 10 * minute],
    ['rfc9111', 'max-age=600, stale-if-error=3600', 70 * minute],
    ['rfc9111', 'max-age=600, stale-if-error=3600, must-revalidate', 10 * minute],
    ['rfc9111', 'max-age=600, stale-if-error=999999999', 24 * hour],
  ] as const)('%s with %s ends after %i ms', async (option, cacheControl, expected) => {
    expect(await expiresAfterFailure(option, cacheControl)).toBe(expected);
  });

  test('never does not end fresh keys while nothing fails', async () => {
    const fresh = answer(jwks('a'), { 'cache-control': 'no-cache' });
    const { clock, states } = await started([fresh], { staleIfError: 'never' });
    await clock.advance(hour);
    expect(states()).toEqual(['INIT', 'FRESH']);
  });
});

describe('whatever the upstream answers, no good key is lost', () => {
  const bodies: [string, Reply, FailureCode][] = [
    ['an empty set', answer({ keys: [] }), 'empty_set'],
    [
      'a web page',
      answer('<!doctype html><h1>Sorry</h1>', { 'content-type': 'text/html; charset=utf-8' }),
      'html',
    ],
    ['a web page that says it is JSON', answer('<html>'), 'html'],
    ['a cut JSON', answer('{"keys":[{"kty":"EC"'), 'not_json'],
    ['nothing', answer(''), 'not_json'],
    ['a JSON array', answer([]), 'not_jwks'],
    ['an error document', answer({ error: 'x' }), 'not_jwks'],
    ['keys that is an object', answer({ keys: {} }), 'not_jwks'],
    ['keys in the prototype only', answer('{"__proto__":{"keys":[]}}'), 'not_jwks'],
    ['a deep nest', answer('['.repeat(500_000)), 'not_json'],
    ['a deep nest that ends', answer('['.repeat(500_000) + ']'.repeat(500_000)), 'not_json'],
    ['only symmetric keys', answer({ keys: [{ kty: 'oct', k: 'AAAA' }] }), 'no_usable_keys'],
    ['only private keys', answer({ keys: [{ ...ecJwk('a'), d: 'AAAA' }] }), 'no_usable_keys'],
  ];
  const failures = [
    ...(['dns', 'connect', 'reset', 'timeout', 'tls_cert', 'redirect_blocked', 'address_blocked'] as const),
    ...(['too_large', 'decompress', 'token_file', 'ca_file'] as const),
  ].map((code): [string, Reply, FailureCode] => [code, failing(code), code]);
  const statuses = ([500, 503, 408, 425, 429, 401, 403, 404, 410, 204, 418] as const).map(
    (status): [string, Reply, FailureCode] => {
      const result = statusOf(status)(
        { url: '', ask: { accept: '', maxBody: 0 }, at: 0 },
        AbortSignal.abort(),
      );
      return [`status ${status}`, () => result, 'code' in result ? result.code : 'http_other'];
    },
  );

  test.each([...bodies, ...failures, ...statuses])('%s', async (_name, reply, code) => {
    const { source, clock, network } = await started([good]);
    const { keys } = source.current;
    network.answerWith(reply);
    await clock.advance(15 * minute);
    expect(source.current.state).toBe('STALE');
    expect(source.current.keys).toBe(keys);
    expect(source.status().lastError?.code).toBe(code);
    expect(source.status().consecutiveFailures).toBeGreaterThan(5);
  });

  test('invalid UTF-8 is not_utf8; a byte order mark is forgiven', async () => {
    const latin = Buffer.concat([Buffer.from('{"keys":["'), Buffer.from([0xff]), Buffer.from('"]}')]);
    const { source, clock } = await started([bytes(latin)]);
    await clock.advance(1000);
    expect(source.status().lastError?.code).toBe('not_utf8');
    const marked = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(JSON.stringify(jwks('a')))]);
    expect((await started([bytes(marked)])).source.current.state).toBe('FRESH');
  });

  test('one bad key costs itself only, and is told by its reason', async () => {
    const mixed = {
      keys: [null, { kty: 'oct', k: 'x' }, ecJwk('good'), { ...ecJwk('p'), d: 'secretsecret' }, 7],
    };
    const { source, lines } = await started([answer(mixed)]);
    expect(kidsOf(source.current.keys)).toEqual(['good']);
    expect(source.status().rejected).toMatchObject({ private_material: 2, malformed: 2 });
    expect(JSON.stringify([lines, source.status()])).not.toContain('secretsecret');
    expect(
      lines.some(({ level, members }) => level === 'error' && members['reason'] === 'private_material'),
    ).toBe(true);
  });

  test('keys beyond maxKeys are left out and counted', async () => {
    const many = { keys: Array.from({ length: 20 }, (_, n) => rsaJwk(`k${n}`)) };
    const { source } = await started([answer(many)], { maxKeys: 5 });
    expect(source.current.keys).toHaveLength(5);
    expect(source.status().rejected).toEqual({ over_limit: 15 });
  });
});

describe('schedule', () => {
  test.each([
    ['Okta', 'max-age=3293198, must-revalidate', 300_000],
    ['Keycloak 23', 'max-age=2592000, must-revalidate', 300_000],
    ['Keycloak 22', 'no-cache', 60_000],
    ['Auth0', 'public, max-age=15, stale-while-revalidate=15', 60_000],
    ['ten minutes', 'max-age=600', 150_000],
    ['garbage', 'max-age=ever', 300_000],
  ])('%s (%s): every %i ms', async (_name, cacheControl, expected) => {
    expect(await spacing({ 'cache-control': cacheControl })).toBe(expected);
  });

  test('the first attempt waits for firstDelay', async () => {
    const { source, clock, network } = rig([good], { firstDelay: 1500 });
    await source.start(() => undefined);
    await clock.advance(1499);
    expect(network.sent).toHaveLength(0);
    await clock.advance(1);
    expect(network.sent).toHaveLength(1);
  });

  test('caching headers of an error are ignored', async () => {
    const { clock, network } = await started([good]);
    network.answerWith(statusOf(404));
    await clock.advance(5 * minute);
    const [, failed] = network.sent;
    await clock.advance(minute);
    expect((network.sent[2]?.at ?? 0) - (failed?.at ?? 0)).toBeLessThanOrEqual(5000);
  });

  test('a 304 without caching headers keeps those of the body it confirms', async () => {
    const tenMinutes = answer(jwks('a'), { etag: '"1"', 'cache-control': 'max-age=600' });
    const { clock, network } = await started([notModifiedOr(tenMinutes)]);
    await clock.advance(20 * minute);
    const gaps = network.sent.slice(1).map(({ at }, n) => at - (network.sent[n]?.at ?? 0));
    expect(gaps.slice(0, 3)).toEqual([150_000, 150_000, 150_000]);
  });
});

describe('conditional requests', () => {
  test('validators are sent, a 304 confirms the keys, and once an hour the body itself is asked for', async () => {
    const tagged = answer(jwks('a'), { etag: '"1"', 'last-modified': 'Wed' });
    const { source, clock, network, history } = await started([notModifiedOr(tagged)]);
    expect(network.sent[0]?.ask).not.toHaveProperty('etag');
    await clock.advance(5 * minute);
    expect(network.sent[1]?.ask).toMatchObject({ etag: '"1"', lastModified: 'Wed', noCache: false });
    expect(source.status()).toMatchObject({ attempts: { ok: 1, not_modified: 1 }, age: 0 });
    await clock.advance(2 * hour);
    const whole = network.sent.filter(({ ask }) => ask.etag === undefined).map(({ at }) => at);
    expect(whole.map((at) => at - (whole[0] ?? 0))).toEqual([0, hour, 2 * hour]);
    // Nothing a client can see has changed in all that time.
    expect(history).toHaveLength(2);
  });

  test('a 304 nobody asked for: once more without validators, then it counts as a failure', async () => {
    const { source, clock, network } = await started([good]);
    network.answerWith(
      () => ({ ...(statusOf(304)({} as never, {} as never) as object), retry: 'once' }) as never,
    );
    await clock.advance(5 * minute);
    expect(network.sent).toHaveLength(3);
    expect(source.status()).toMatchObject({ state: 'STALE', attempts: { http_other: 2 } });
    expect(source.current.keys).toHaveLength(2);
  });

  test('a bad body is asked for once more, past every cache', async () => {
    const { source, clock, network } = await started([notModifiedOr(answer(jwks('a'), { etag: '"1"' }))]);
    network.answerWith(answer('<html>'), answer(jwks('a', 'b'), { etag: '"2"' }));
    await clock.advance(5 * minute);
    expect(network.sent).toHaveLength(3);
    expect(network.sent[1]?.ask).toMatchObject({ etag: '"1"' });
    expect(network.sent[2]?.ask).toMatchObject({ noCache: true });
    expect(network.sent[2]?.ask).not.toHaveProperty('etag');
    expect(kidsOf(source.current.keys)).toEqual(['a', 'b']);
  });
});

describe('failures', () => {
  const everyCode: FailureCode[] = ['connect', 'not_json', 'html', 'empty_set', 'no_usable_keys', 'http_404'];
  test.each(everyCode)('an hour of %s costs at most 125 requests, one per cycle', async (code) => {
    const { source, clock, network } = await started([good]);
    network.answerWith(failing(code));
    await clock.advance(5 * minute);
    const before = network.sent.length;
    await clock.advance(hour);
    expect(network.sent.length - before).toBeLessThanOrEqual(125);
    const { length } = network.sent;
    const { consecutiveFailures } = source.status();
    await clock.advance(10 * minute);
    expect(network.sent.length - length).toBe(source.status().consecutiveFailures - consecutiveFailures);
  });

  test('an upstream that fails only with validators is asked without them in the next cycle', async () => {
    const tagged = answer(jwks('a'), { etag: '"1"' });
    const { source, clock, network } = await started([tagged]);
    const picky: Reply = (sent, signal) =>
      (sent.ask.etag === undefined ? tagged : statusOf(431))(sent, signal);
    network.answerWith(picky);
    await clock.advance(5 * minute);
    expect(source.current.state).toBe('STALE');
    await clock.advance(5000);
    expect(network.sent).toHaveLength(3);
    expect(source.current.state).toBe('FRESH');
  });

  test('a cycle after a success makes three attempts, 250 ms to 2 s apart, then one per cycle', async () => {
    const { clock, network } = await started([good]);
    network.answerWith(failing('reset'));
    await clock.advance(5 * minute + 4000);
    const gaps = network.sent.slice(2).map(({ at }, n) => at - (network.sent[n + 1]?.at ?? 0));
    expect(network.sent).toHaveLength(4);
    expect(gaps).toEqual([1125, 1125]);
    await clock.advance(5000);
    expect(network.sent).toHaveLength(5);
  });

  test('a cycle whose failure no retry can mend makes one attempt', async () => {
    const { clock, network } = await started([good]);
    network.answerWith(failing('tls_cert'));
    await clock.advance(5 * minute + 3000);
    expect(network.sent).toHaveLength(2);
  });

  test('an outage of an hour costs at most 125 requests and ends at most 70 s after the upstream is back', async () => {
    const { source, clock, network } = await started([good]);
    network.answerWith(failing('connect'));
    await clock.advance(5 * minute);
    const before = network.sent.length;
    await clock.advance(hour);
    expect(network.sent.length - before).toBeLessThanOrEqual(125);
    network.answerWith(good);
    await clock.advance(70_000);
    expect(source.current.state).toBe('FRESH');
  });

  test('Retry-After is honoured, by the schedule and on behalf of clients', async () => {
    const { source, clock, network } = await started([good]);
    network.answerWith(statusOf(503, 600_000));
    await clock.advance(5 * minute);
    expect(network.sent).toHaveLength(2);
    expect(await source.refresh('demand')).toMatchObject({ ok: false, error: { code: 'http_5xx' } });
    await clock.advance(600_000 - 1);
    expect(network.sent).toHaveLength(2);
    await clock.advance(1);
    expect(network.sent).toHaveLength(3);
  });

  test('an administrator may ask sooner, and its failure does not shorten the wait', async () => {
    const { source, clock, network } = await started([good]);
    network.answerWith(statusOf(429, 600_000));
    await clock.advance(5 * minute);
    network.answerWith(failing('connect'));
    await source.refresh('admin');
    expect(network.sent).toHaveLength(3);
    await clock.advance(590_000);
    expect(network.sent).toHaveLength(3);
  });

  test('are logged at the edge and then at 1, 2, 4, 8 …', async () => {
    const { clock, network, lines } = await started([good]);
    network.answerWith(failing('connect'));
    await clock.advance(3 * hour);
    const told = lines
      .filter(({ text }) => text.startsWith('upstream failed'))
      .map(({ members }) => members['failures']);
    expect(told).toEqual([1, 2, 4, 8, 16, 32, 64, 128]);
    network.answerWith(good);
    await clock.advance(minute);
    expect(lines.some(({ text }) => text === 'upstream is back')).toBe(true);
  });

  test('a defect behind the network costs one refresh, never the schedule', async () => {
    const { source, clock, network, lines } = await started([good]);
    network.answerWith(() => {
      throw new Error('a defect');
    });
    await clock.advance(5 * minute + 1000);
    expect(source.current.keys).toHaveLength(2);
    expect(lines.some(({ level }) => level === 'error')).toBe(true);
    network.answerWith(answer(jwks('c')));
    await clock.advance(10_000);
    expect(kidsOf(source.current.keys)).toEqual(['c', 'a', 'b']);
  });
});

describe('removal', () => {
  test('additions at once; a missing key only after a second success, removalConfirm later, uncached', async () => {
    const { source, clock, network } = await started([good]);
    network.answerWith(answer(jwks('b', 'c'), { etag: '"2"' }));
    await clock.advance(5 * minute);
    expect(kidsOf(source.current.keys)).toEqual(['b', 'c', 'a']);
    expect(source.status().retiring).toBe(1);
    const { length } = network.sent;
    await clock.advance(29_999);
    expect(network.sent).toHaveLength(length);
    await clock.advance(1);
    expect(network.sent).toHaveLength(length + 1);
    expect(network.sent.at(-1)?.ask).toMatchObject({ noCache: true });
    expect(network.sent.at(-1)?.ask).not.toHaveProperty('etag');
    expect(kidsOf(source.current.keys)).toEqual(['b', 'c']);
    expect(source.status().retiring).toBe(0);
  });

  test('a second success too soon confirms nothing', async () => {
    const { source, clock, network } = await started([good]);
    network.answerWith(answer(jwks('b')));
    await clock.advance(5 * minute);
    await clock.advance(10_000);
    await source.refresh('admin');
    expect(kidsOf(source.current.keys)).toEqual(['b', 'a']);
    await clock.advance(30_000);
    expect(kidsOf(source.current.keys)).toEqual(['b']);
  });

  test('a failure between the two confirms nothing', async () => {
    const { source, clock, network } = await started([good]);
    network.answerWith(answer(jwks('b')), failing('connect'));
    await clock.advance(5 * minute);
    await clock.advance(hour);
    expect(kidsOf(source.current.keys)).toEqual(['b', 'a']);
  });

  test('a key that comes back is not retiring any more, and its next absence is confirmed anew', async () => {
    const { source, clock, network } = await started([good]);
    network.answerWith(answer(jwks('b')));
    await clock.advance(5 * minute);
    network.answerWith(good);
    await clock.advance(30_000);
    expect(source.status().retiring).toBe(0);
    expect(kidsOf(source.current.keys)).toEqual(['a', 'b']);
    network.answerWith(answer(jwks('b')));
    await clock.advance(5 * minute);
    expect(kidsOf(source.current.keys)).toEqual(['b', 'a']);
  });

  test('other material under the same kid replaces the old at once', async () => {
    const { source, clock, network } = await started([good]);
    const old = source.current.keys[0]?.thumbprint;
    network.answerWith(answer({ keys: [ecJwk('a', 'a, second'), ecJwk('b')] }));
    await clock.advance(5 * minute);
    expect(kidsOf(source.current.keys)).toEqual(['a', 'b']);
    expect(source.current.keys[0]?.thumbprint).not.toBe(old);
  });

  test('two keys of one kid in one set both stay', async () => {
    const { source } = await started([answer({ keys: [ecJwk('a'), ecJwk('a', 'a, second')] })]);
    expect(kidsOf(source.current.keys)).toEqual(['a', 'a']);
  });

  test('a set without a change keeps the very same keys, whatever else the body says', async () => {
    const { source, clock, network, history } = await started([good]);
    const { keys } = source.current;
    network.answerWith(answer({ ...jwks('a', 'b'), extra: 1 }));
    await clock.advance(hour);
    expect(source.current.keys).toBe(keys);
    expect(history).toHaveLength(2);
  });

  test('an upstream that answers each request with another set keeps a bounded number of keys', async () => {
    let n = 0;
    const other: Reply = (sent, signal) => {
      const keys = Array.from({ length: 10 }, () => rsaJwk(`generated ${(n += 1)}`));
      return answer({ keys })(sent, signal);
    };
    const { source, clock } = await started([other], { maxKeys: 25, removalConfirm: 24 * hour });
    await clock.advance(2 * hour);
    expect(source.current.keys).toHaveLength(35);
    // The latest are the ones that stay.
    expect(kidsOf(source.current.keys)).toContain(`generated ${n - 15}`);
  });

  test('removalConfirm 0 still needs a second success', async () => {
    const { source, clock, network } = await started([good], { removalConfirm: 0 });
    network.answerWith(answer(jwks('b')));
    await clock.advance(5 * minute);
    expect(kidsOf(source.current.keys)).toEqual(['b', 'a']);
    await clock.advance(1000);
    expect(kidsOf(source.current.keys)).toEqual(['b']);
  });
});

describe('order and sharing', () => {
  test('a late result cannot bring back what a newer one removed', async () => {
    const { source, clock, network } = await started([good]);
    const late = held();
    network.answerWith(late.reply, answer({ keys: [ecJwk('a', 'a, newer'), ecJwk('b')] }));
    const cycle = source.refresh('admin');
    await settle();
    expect(await source.refresh('demand')).toEqual({ ok: true, changed: true });
    const { keys } = source.current;
    late.release(good);
    expect(await cycle).toEqual({ ok: true, changed: false });
    expect(source.current.keys).toBe(keys);
    await clock.advance(minute);
    expect(source.current.keys).toBe(keys);
  });

  test('a late failure does not spoil a newer success', async () => {
    const { source, network } = await started([good]);
    const late = held();
    network.answerWith(late.reply, good);
    const cycle = source.refresh('admin');
    await settle();
    await source.refresh('demand');
    late.release(failing('tls_cert'));
    expect(await cycle).toMatchObject({ ok: false });
    expect(source.status()).toMatchObject({ state: 'FRESH', consecutiveFailures: 0 });
  });

  test.each([
    ['success', good],
    ['failure', failing('tls_cert')],
  ])('a late %s of a cycle ends no schedule, whatever came due meanwhile', async (_what, reply) => {
    const { source, clock, network } = await started([good]);
    const late = held();
    network.answerWith(late.reply, good);
    await clock.advance(5 * minute);
    await source.refresh('demand');
    // The refresh that follows the demand comes due while the cycle still waits for its answer.
    await clock.advance(6 * minute);
    late.release(reply);
    await settle();
    const { length } = network.sent;
    expect(source.status().nextAttemptIn).toBeGreaterThan(0);
    await clock.advance(hour);
    expect(network.sent.length).toBeGreaterThanOrEqual(length + 11);
  });

  test('of two answers the one whose request left later counts, however long it waited to leave', async () => {
    const waiting: (() => void)[] = [];
    const limiter: Limiter = async (task, { demand, signal }) => {
      if (!demand) await new Promise<void>((resolve) => void waiting.push(resolve));
      return await task(signal);
    };
    const { source, clock, network } = rig([answer(jwks('old')), answer(jwks('new'))], { limiter });
    await source.start(() => undefined);
    await clock.advance(0);
    await source.refresh('demand');
    expect(kidsOf(source.current.keys)).toEqual(['old']);
    waiting[0]?.();
    await settle();
    expect(network.sent).toHaveLength(2);
    expect(kidsOf(source.current.keys)).toEqual(['new', 'old']);
  });

  test('refreshes that arrive together share one request', async () => {
    const { source, network } = await started([good]);
    const slow = held();
    network.answerWith(slow.reply);
    const all = Array.from({ length: 50 }, async () => await source.refresh('demand'));
    await settle();
    slow.release(good);
    await Promise.all(all);
    expect(network.sent).toHaveLength(2);
  });

  test('a demand is one attempt without caches, whatever fails', async () => {
    const codes: FailureCode[] = ['connect', 'not_json', 'http_5xx', 'html'];
    for (const code of codes) {
      const { source, network } = await started([good]);
      network.answerWith(failing(code));
      await source.refresh('demand');
      expect(network.sent).toHaveLength(2);
      expect(network.sent[1]?.ask).toMatchObject({ noCache: true });
    }
  });
});

describe('close', () => {
  test('leaves no alarm, publishes nothing afterwards and forgets the keys', async () => {
    const { source, clock, network, history } = await started([good]);
    await source.close();
    expect(clock.pending).toBe(0);
    const { length } = history;
    await clock.advance(hour);
    expect(network.sent).toHaveLength(1);
    expect(history).toHaveLength(length);
    expect(await source.refresh('admin')).toMatchObject({ ok: false });
    expect(clock.pending).toBe(0);
  });

  test('discards the answer under way', async () => {
    const slow = held();
    const { source, clock, history } = await started([slow.reply]);
    const closed = source.close();
    slow.release(good);
    await closed;
    await settle();
    expect(history.map(({ state }) => state)).toEqual(['INIT']);
    expect(clock.pending).toBe(0);
  });

  test('ends the pause between two attempts', async () => {
    const { source, clock } = await started([failing('connect')]);
    expect(clock.pending).toBeGreaterThan(0);
    await source.close();
    expect(clock.pending).toBe(0);
  });

  test('during the start leaves nothing behind', async () => {
    const { source, clock } = rig([good]);
    const start = source.start(() => undefined);
    await source.close();
    await start;
    expect(clock.pending).toBe(0);
  });
});

/** 20 upstreams of one process whose requests, after a failure, never end. */
const hanging = async (limiter: Limiter): Promise<UpstreamSource[]> =>
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const { source, clock, network } = await started([failing('tls_cert')], { limiter });
      network.answerWith(held().reply);
      await clock.advance(minute);
      return source;
    }),
  );

/** An upstream that never answers. */
const silent: Reply = async (_sent, signal) =>
  await new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(failure('http_other', 'aborted')), { once: true });
  });

describe('beside upstreams that hang', () => {
  test('a healthy one is asked at once, on schedule and on demand', async () => {
    const limiter = createLimiter(8, new ManualClock());
    await hanging(limiter);
    const { source, network, clock } = await started([good], { limiter });
    expect(source.current.state).toBe('FRESH');
    network.answerWith(answer(jwks('a', 'b', 'c')));
    expect(await source.refresh('demand')).toEqual({ ok: true, changed: true });
    await clock.advance(5 * minute);
    expect(network.sent).toHaveLength(3);
  });

  test('an attempt that has to make room failed by timeout, and is made again among the failing', async () => {
    const clock = new ManualClock();
    const limiter = createLimiter(1, clock);
    const slow = await started([silent, good], { limiter, clock });
    const healthy = await started([good], { limiter, clock });
    await clock.advance(1999);
    expect(healthy.source.current.state).toBe('INIT');
    await clock.advance(1);
    expect(healthy.source.current.state).toBe('FRESH');
    await clock.advance(2000);
    expect(slow.source.status()).toMatchObject({ state: 'FRESH', attempts: { timeout: 1, ok: 1 } });
  });

  test('what follows a failed attempt goes behind the others, in the same cycle too', async () => {
    const places: string[] = [];
    const limiter: Limiter = async (task, { standing, signal }) => {
      places.push(standing);
      return await task(signal);
    };
    const { clock } = await started([failing('timeout')], { limiter });
    await clock.advance(10_000);
    expect(places.slice(0, 4)).toEqual(['new', 'failing', 'failing', 'failing']);
  });

  test('close does not wait in the line', async () => {
    const limiter = createLimiter(1, new ManualClock());
    const { signal } = new AbortController();
    void limiter(async () => await new Promise<void>(() => undefined), {
      demand: true,
      standing: 'good',
      signal,
    });
    const { source, clock, network } = await started([good], { limiter });
    await source.close();
    expect(network.sent).toHaveLength(0);
    expect(clock.pending).toBe(0);
  });
});

test('any order of good and bad answers: published keys are never empty before maxStale, and never unknown', async () => {
  const replies: Reply[] = [
    good,
    answer(jwks('a')),
    answer(jwks('c')),
    answer({ keys: [] }),
    answer('<html>'),
    failing('timeout'),
    statusOf(429, 120_000),
    notModifiedOr(good),
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({ reply: fc.nat(replies.length - 1), wait: fc.nat(400_000), demand: fc.boolean() }),
        {
          maxLength: 25,
        },
      ),
      async (steps) => {
        const { source, clock, network, history } = await started([good], { clock: new ManualClock() });
        for (const { reply, wait, demand } of steps) {
          network.answerWith(replies[reply] ?? good);
          if (demand) await source.refresh('demand');
          await clock.advance(wait);
        }
        for (const { keys, state } of history.slice(1)) {
          expect(['FRESH', 'STALE']).toContain(state);
          expect(keys.length).toBeGreaterThan(0);
          expect(new Set(kidsOf(keys)).size).toBe(keys.length);
          expect(kidsOf(keys).every((kid) => ['a', 'b', 'c'].includes(kid ?? ''))).toBe(true);
        }
        await source.close();
        expect(clock.pending).toBe(0);
      },
    ),
    { numRuns: 30 },
  );
});
