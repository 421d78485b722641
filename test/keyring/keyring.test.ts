import { DenyList } from '../../src/keyring/deny-list.ts';
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { kidDigest } from '../../src/jwk/kid-digest.ts';
import type { SetSpec } from '../../src/keyring/build.ts';
import { Keyring } from '../../src/keyring/keyring.ts';
import type { Snapshot } from '../../src/keyring/snapshot.ts';
import { KeyCache } from '../../src/sources/key-cache.ts';
import type { SourceState } from '../../src/sources/source.ts';
import { ManualClock, settle } from '../fakes/clock.ts';
import { admitted, ecJwk, rsaJwk } from '../fakes/keys.ts';
import { createLog } from '../fakes/log.ts';
import { FakeSource } from '../fakes/source.ts';

let clock: ManualClock;
let keyring: Keyring;

beforeEach(() => {
  clock = new ManualClock();
  keyring = new Keyring({
    clock,
    log: createLog().log,
    cache: new KeyCache(),
    denyList: DenyList.inMemory(),
  });
});

const spec = (name: string, ...sources: string[]): SetSpec => ({
  name,
  sources,
  profile: 'generic',
  maxAge: 300_000,
  paths: [],
  pemPaths: [],
});
const key = (kid: string) => admitted(ecJwk(kid));
const kids = (set = 'default', snapshot: Snapshot = keyring.current): (string | undefined)[] =>
  snapshot.sets.get(set)?.keys.map((published) => published.key.jwk.kid) ?? [];

describe('the current snapshot', () => {
  test('has what sources know by themselves when replace resolves', async () => {
    expect(keyring.current.readiness.ready).toBe(false);
    await keyring.replace({ sources: [new FakeSource('one', [key('a')])], sets: [spec('default', 'one')] });
    expect(kids()).toEqual(['a']);
    expect(keyring.current.readiness.ready).toBe(true);
  });

  test('follows its sources, and what was handed out before never changes', async () => {
    const source = new FakeSource('one', [key('a')]);
    await keyring.replace({ sources: [source], sets: [spec('default', 'one')] });
    const before = keyring.current;
    const copy = structuredClone([...before.sets.values()].map(({ document }) => document?.identity.body));
    source.publish([key('a'), key('b')]);
    await keyring.settled();
    expect(kids()).toEqual(['a', 'b']);
    expect(keyring.current.generation).toBe(before.generation + 1);
    expect(kids('default', before)).toEqual(['a']);
    expect(structuredClone([...before.sets.values()].map(({ document }) => document?.identity.body))).toEqual(
      copy,
    );
  });

  test('takes a burst of changes together', async () => {
    const source = new FakeSource('one', [key('a')]);
    await keyring.replace({ sources: [source], sets: [spec('default', 'one')] });
    const { generation } = keyring.current;
    for (let n = 0; n < 100; n += 1) source.publish([key(`k${n % 3}`), key('z')]);
    await keyring.settled();
    expect(kids()).toEqual(['k0', 'z']);
    expect(keyring.current.generation).toBeLessThanOrEqual(generation + 2);
  });

  test('is never that of an older change whose building took longer', async () => {
    const source = new FakeSource('one');
    await keyring.replace({ sources: [source], sets: [spec('default', 'one')] });
    const { generation } = keyring.current;
    source.publish(Array.from({ length: 2000 }, (_, n) => admitted(rsaJwk(`k${n}`))));
    await settle(2);
    source.publish([key('latest')]);
    await keyring.settled();
    expect(kids()).toEqual(['latest']);
    await settle(500);
    expect(kids()).toEqual(['latest']);
    expect(keyring.current.generation).toBe(generation + 2);
  });

  test('gives two keyrings with the same keys the same documents', async () => {
    const other = new Keyring({
      clock: new ManualClock(5),
      log: createLog().log,
      cache: new KeyCache(),
      denyList: DenyList.inMemory(),
    });
    for (const each of [keyring, other]) {
      const sources = [new FakeSource('one', [key('a')]), new FakeSource('two', [key('b')])];
      await each.replace({ sources, sets: [spec('default', 'one', 'two')] });
    }
    const [mine, theirs] = [keyring, other].map(
      (each) => each.current.sets.get('default')?.document?.identity,
    );
    expect(mine?.etag).toBe(theirs?.etag);
    expect(mine?.body).toEqual(theirs?.body);
  });

  test('is consistent in itself at every moment, whatever the sources do meanwhile', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const change = fc.record({
      source: fc.nat(2),
      kids: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 4 }),
      state: fc.constantFrom<SourceState>('FRESH', 'STALE', 'DOWN', 'EXPIRED', 'RESTORED'),
      turns: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 30 }), async (changes) => {
        const ring = new Keyring({
          clock,
          log: createLog().log,
          cache: new KeyCache(),
          denyList: DenyList.inMemory(),
        });
        const sources = ['one', 'two', 'three'].map((name) => new FakeSource(name));
        await ring.replace({
          sources,
          sets: [spec('all', 'one', 'two', 'three'), spec('some', 'three', 'one')],
        });
        const seen = new Set<Snapshot>();
        for (const { source, kids: listed, state, turns } of changes) {
          const shown = state === 'DOWN' || state === 'EXPIRED' ? [] : listed;
          sources[source]?.publish(
            shown.map((kid) => key(kid)),
            state,
          );
          for (let n = 0; n < turns; n += 1) {
            await settle(1);
            seen.add(ring.current);
          }
        }
        await ring.settled();
        seen.add(ring.current);
        for (const snapshot of seen) expectConsistent(snapshot);
        const published = new Set(sources.flatMap(({ current }) => current.keys.map(({ jwk }) => jwk.kid)));
        expect(new Set(kids('all', ring.current))).toEqual(published);
      }),
      { numRuns: 40 },
    );
  });
});

const expectConsistent = (snapshot: Snapshot): void => {
  for (const set of snapshot.sets.values()) {
    expect(set.document === undefined).toBe(set.keys.length === 0);
    const body = set.document?.identity.body.toString() ?? '{"keys":[]}';
    const { keys } = JSON.parse(body) as { keys: { kid: string }[] };
    expect(keys.map(({ kid }) => kid)).toEqual(set.keys.map((published) => published.key.jwk.kid));
    expect(body).toBe(`{"keys":[${set.keys.map(({ jwk }) => jwk.body.toString()).join(',')}]}`);
    for (const published of set.keys) {
      const { kid } = published.key.jwk;
      expect(set.byName.get(kid ?? '')).toContain(published);
      expect(set.byDigest.get(kidDigest(kid ?? ''))).toContain(published);
    }
    if (set.document === undefined) continue;
    const digest = createHash('sha256').update(body).digest('base64url').slice(0, 27);
    expect(set.document.identity.etag).toBe(`"${digest}"`);
    expect(snapshot.documents.get(`/sets/${set.name}/jwks.json`)).toBe(set);
  }
};

/** Something to wait for until a test lets it go on. */
const gate = (): { readonly opened: Promise<void>; open(): void } => {
  const waiting: (() => void)[] = [];
  return {
    opened: new Promise<void>((resolve) => void waiting.push(resolve)),
    open: () => waiting[0]?.(),
  };
};

describe('other content', () => {
  test('closes what is gone, starts what is new, leaves what stays', async () => {
    const [gone, stays, comes] = ['gone', 'stays', 'comes'].map((name) => new FakeSource(name, [key(name)]));
    await keyring.replace({ sources: [gone!, stays!], sets: [spec('default', 'gone', 'stays')] });
    await keyring.replace({ sources: [stays!, comes!], sets: [spec('default', 'stays', 'comes')] });
    expect([gone, stays, comes].map((source) => [source?.started, source?.closed])).toEqual([
      [1, 1],
      [1, 0],
      [1, 0],
    ]);
    expect(kids()).toEqual(['stays', 'comes']);
    expect(keyring.sourceStatuses().map(({ name }) => name)).toEqual(['stays', 'comes']);
    expect(keyring.refresh('gone')).toBeUndefined();
  });

  test('is not published before new sources have loaded, and the old keys stay until then', async () => {
    const old = new FakeSource('idp', [key('old')]);
    await keyring.replace({ sources: [old], sets: [spec('default', 'idp')] });
    const fresh = new FakeSource('idp');
    const load = gate();
    fresh.onRefresh = async () => {
      await load.opened;
      fresh.publish([key('new')]);
    };
    const replaced = keyring.replace({ sources: [fresh], sets: [spec('default', 'idp')] });
    await settle();
    expect(kids()).toEqual(['old']);
    expect(old.closed).toBe(0);
    load.open();
    await replaced;
    expect(kids()).toEqual(['new']);
    expect(old.closed).toBe(1);
  });

  test('gives a new source what its predecessor found while it was loading', async () => {
    const old = new FakeSource('idp', [key('old')]);
    await keyring.replace({ sources: [old], sets: [spec('default', 'idp')] });
    const fresh = Object.assign(new FakeSource('idp'), { takeOver: () => fresh.publish(old.current.keys) });
    fresh.onRefresh = async () => await new Promise<void>(() => undefined);
    const replaced = keyring.replace({ sources: [fresh], sets: [spec('default', 'idp')] });
    await clock.advance(9000);
    old.publish([key('old'), key('found')]);
    await clock.advance(1000);
    await replaced;
    expect(kids()).toEqual(['old', 'found']);
  });

  test('that fails changes nothing and leaves no new source behind', async () => {
    const old = new FakeSource('idp', [key('old')]);
    await keyring.replace({ sources: [old], sets: [spec('default', 'idp')] });
    const [broken, other] = [new FakeSource('idp'), new FakeSource('other')];
    broken.start = async () => await Promise.reject(new Error('no'));
    const replaced = keyring.replace({ sources: [broken, other], sets: [spec('default', 'idp')] });
    await expect(replaced).rejects.toThrow('no');
    expect([old, broken, other].map(({ closed }) => closed)).toEqual([0, 1, 1]);
    expect(kids()).toEqual(['old']);
  });

  test('is published after 10 s even when a new source never loads', async () => {
    await keyring.replace({ sources: [new FakeSource('one', [key('a')])], sets: [spec('default', 'one')] });
    const hanging = new FakeSource('two');
    hanging.onRefresh = async () => await new Promise<void>(() => undefined);
    const sources = [new FakeSource('one', [key('b')]), hanging];
    const replaced = keyring.replace({ sources, sets: [spec('default', 'one', 'two')] });
    await clock.advance(10_000);
    await replaced;
    expect(kids()).toEqual(['b']);
    expect(keyring.current.sets.get('default')?.missing).toEqual(['two']);
  });

  test('that is replaced again at once leaves every source closed but the last', async () => {
    const sources = Array.from({ length: 5 }, (_, n) => new FakeSource('one', [key(`k${n}`)]));
    await Promise.all(
      sources.map(
        async (source) => await keyring.replace({ sources: [source], sets: [spec('default', 'one')] }),
      ),
    );
    expect(sources.map(({ closed }) => closed)).toEqual([1, 1, 1, 1, 0]);
    expect(kids()).toEqual(['k4']);
  });

  test('a source of a removed set changes nothing any more', async () => {
    const gone = new FakeSource('one', [key('a')]);
    await keyring.replace({ sources: [gone], sets: [spec('default', 'one')] });
    await keyring.replace({ sources: [new FakeSource('one', [key('b')])], sets: [spec('default', 'one')] });
    gone.publish([key('late')]);
    await keyring.settled();
    expect(kids()).toEqual(['b']);
  });
});

describe('close', () => {
  test('closes every source, and leaves what was published in place', async () => {
    const sources = [new FakeSource('one', [key('a')]), new FakeSource('two')];
    await keyring.replace({ sources, sets: [spec('default', 'one', 'two')] });
    await keyring.close();
    expect(sources.map(({ closed }) => closed)).toEqual([1, 1]);
    expect(kids()).toEqual(['a']);
    expect(clock.pending).toBe(0);
  });

  test('during a replacement closes the sources of both, and none comes after it', async () => {
    const old = new FakeSource('one', [key('a')]);
    await keyring.replace({ sources: [old], sets: [spec('default', 'one')] });
    const fresh = new FakeSource('one');
    const end = gate();
    fresh.onRefresh = async () => await end.opened;
    fresh.close = async () => {
      fresh.closed += 1;
      end.open();
      await Promise.resolve();
    };
    const replaced = keyring.replace({ sources: [fresh], sets: [spec('default', 'one')] });
    await settle();
    let ended = false;
    void replaced.then(() => (ended = true));
    await keyring.close();
    expect(ended).toBe(true);
    expect(old.closed).toBeGreaterThan(0);
    expect(fresh.closed).toBe(1);
    const never = new FakeSource('one', [key('b')]);
    await keyring.replace({ sources: [never], sets: [spec('default', 'one')] });
    expect(never.started).toBe(0);
    expect(clock.pending).toBe(0);
  });
});

test('a set of thousands of keys is built while other work goes on', async () => {
  const source = new FakeSource(
    'one',
    Array.from({ length: 3000 }, (_, n) => admitted(rsaJwk(`k${n}`))),
  );
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  await keyring.replace({ sources: [source], sets: [spec('default', 'one')] });
  clearImmediate(next);
  expect(kids()).toHaveLength(3000);
  expect(turns).toBeGreaterThan(10);
});
