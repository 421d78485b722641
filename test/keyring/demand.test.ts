import { DenyList } from '../../src/keyring/deny-list.ts';
import { beforeEach, describe, expect, test } from 'vitest';
import { kidDigest } from '../../src/jwk/kid-digest.ts';
import { Keyring } from '../../src/keyring/keyring.ts';
import type { PublishedKey, SetSnapshot } from '../../src/keyring/snapshot.ts';
import { KeyCache } from '../../src/sources/key-cache.ts';
import { ManualClock, settle } from '../fakes/clock.ts';
import { admitted, ecJwk, jwks } from '../fakes/keys.ts';
import { createLog } from '../fakes/log.ts';
import { FakeSource } from '../fakes/source.ts';
import { answer, failing, held, rig, type Rig } from '../fakes/upstream-source.ts';

let clock: ManualClock;
let keyring: Keyring;
let idp: Rig;

const cache = new KeyCache();
const generic = { profile: 'generic', maxAge: 300_000, paths: [], pemPaths: [] } as const;

beforeEach(async () => {
  clock = new ManualClock();
  keyring = new Keyring({
    clock,
    log: createLog().log,
    cache: new KeyCache(),
    denyList: DenyList.inMemory(),
  });
  idp = rig([answer(jwks('a'))], { clock, cache });
  await keyring.replace({ sources: [idp.source], sets: [{ ...generic, name: 'default', sources: ['idp'] }] });
  await clock.advance(0);
  await keyring.settled();
  // The scheduled refreshes are not what is measured here.
  idp.network.sent.length = 0;
});

const set = (): SetSnapshot => keyring.current.sets.get('default')!;
const byKid = async (kid: string): Promise<readonly PublishedKey[]> =>
  await keyring.demand(set(), { by: 'kid', value: kid });
const requests = (): number => idp.network.sent.length;

describe('a key published upstream a moment ago', () => {
  test('is found by the first request for it, by kid and by digest', async () => {
    idp.network.answerWith(answer(jwks('a', 'b')));
    const [found] = await keyring.demand(set(), { by: 'digest', value: kidDigest('b') });
    expect(found?.key.jwk.kid).toBe('b');
    expect(set().keys).toHaveLength(2);
    expect(requests()).toBe(1);
    expect(idp.network.sent[0]?.ask.noCache).toBe(true);
    expect(keyring.demandResults).toMatchObject({ found: 1 });
  });

  test('is found for all who wait, with one request', async () => {
    const slow = held();
    idp.network.answerWith(slow.reply);
    const waiting = Array.from({ length: 200 }, async (_, n) => await byKid(n % 2 === 0 ? 'b' : `x${n}`));
    await settle();
    slow.release(answer(jwks('a', 'b')));
    const found = await Promise.all(waiting);
    expect(found.map((keys) => keys.length)).toEqual(found.map((_, n) => (n % 2 === 0 ? 1 : 0)));
    expect(requests()).toBe(1);
  });

  test('is found although it was asked for in vain just before', async () => {
    expect(await byKid('b')).toEqual([]);
    expect(await byKid('b')).toEqual([]);
    expect(keyring.demandResults).toMatchObject({ unknown: 1, negative: 1 });
    idp.network.answerWith(answer(jwks('a', 'c')));
    expect(await byKid('c')).toHaveLength(1);
    // The set has changed, so the old verdict is worth nothing.
    idp.network.answerWith(answer(jwks('a', 'b', 'c')));
    await clock.advance(30_000);
    expect(await byKid('b')).toHaveLength(1);
  });

  test('that another request has brought meanwhile is there without a refresh', async () => {
    const before = set();
    idp.network.answerWith(answer(jwks('a', 'b')));
    await byKid('b');
    expect(await keyring.demand(before, { by: 'kid', value: 'b' })).toHaveLength(1);
    expect(requests()).toBe(1);
  });
});

describe('made-up names', () => {
  test.each([
    ['an upstream that answers', answer(jwks('a'))],
    ['an upstream that fails', failing('connect')],
    ['an upstream that answers with a web page', answer('<html>')],
  ])('10,000 in a minute cost %s at most 4 requests, and never a good key', async (_name, reply) => {
    idp.network.answerWith(reply);
    let scheduled = 0;
    const refresh = idp.source.refresh.bind(idp.source);
    idp.source.refresh = async (cause) => {
      if (cause === 'demand') return await refresh(cause);
      scheduled += 1;
      return { ok: true, changed: false };
    };
    for (let n = 0; n < 10_000; n += 1) {
      expect(await byKid(`made up ${n}`)).toEqual([]);
      if (n % 100 === 99) await clock.advance(600);
    }
    expect(requests()).toBeLessThanOrEqual(4);
    expect(requests()).toBeGreaterThan(0);
    expect(set().keys).toHaveLength(1);
    expect(scheduled).toBeLessThanOrEqual(2);
    const { unknown, throttled, negative, found, timeout, overload } = keyring.demandResults;
    expect(unknown + throttled + negative).toBe(10_000);
    expect(found + timeout + overload).toBe(0);
  });

  test('the same name again within 30 s costs nothing, afterwards one request', async () => {
    await byKid('x');
    for (let n = 0; n < 29; n += 1) {
      await clock.advance(1000);
      await byKid('x');
    }
    expect(requests()).toBe(1);
    await clock.advance(1000);
    await byKid('x');
    expect(requests()).toBe(2);
  });

  test('names no key can have are not even remembered', async () => {
    expect(await byKid('x'.repeat(1025))).toEqual([]);
    expect(requests()).toBe(0);
  });
});

describe('waiting', () => {
  test('ends after 1.5 s, and a key that comes later is served to the next', async () => {
    const slow = held();
    idp.network.answerWith(slow.reply);
    let ended: readonly PublishedKey[] | undefined;
    void byKid('b').then((keys) => (ended = keys));
    await clock.advance(1499);
    expect(ended).toBeUndefined();
    await clock.advance(1);
    expect(ended).toEqual([]);
    expect(keyring.demandResults).toMatchObject({ timeout: 1 });
    slow.release(answer(jwks('a', 'b')));
    await settle();
    expect(await byKid('b')).toHaveLength(1);
  });

  test('is for at most 1,024; the next is turned away at once', async () => {
    const slow = held();
    idp.network.answerWith(slow.reply);
    const waiting = Array.from({ length: 1024 }, async (_, n) => await byKid(`x${n}`));
    await settle();
    expect(await byKid('one more')).toEqual([]);
    expect(keyring.demandResults).toMatchObject({ overload: 1 });
    await clock.advance(1500);
    await Promise.all(waiting);
    expect(keyring.demandResults).toMatchObject({ timeout: 1024 });
    expect(requests()).toBe(1);
  });

  test('ends with the first source that brings the key, however long the others take', async () => {
    const slow = new FakeSource('slow', [admitted(ecJwk('s'))]);
    const fast = new FakeSource('fast', [admitted(ecJwk('f'))]);
    slow.onRefresh = async () => await new Promise<void>(() => undefined);
    fast.onRefresh = () => fast.publish([admitted(ecJwk('f')), admitted(ecJwk('new'))]);
    const ring = new Keyring({
      clock,
      log: createLog().log,
      cache: new KeyCache(),
      denyList: DenyList.inMemory(),
    });
    await ring.replace({
      sources: [slow, fast],
      sets: [{ ...generic, name: 'default', sources: ['slow', 'fast'] }],
    });
    const found = await ring.demand(ring.current.sets.get('default')!, { by: 'kid', value: 'new' });
    expect(found).toHaveLength(1);
    expect(slow.refreshes).toEqual(['demand']);
  });

  test('never happens for a set that was removed', async () => {
    const old = set();
    await keyring.replace({ sources: [], sets: [] });
    expect(await keyring.demand(old, { by: 'kid', value: 'x' })).toEqual([]);
  });
});
