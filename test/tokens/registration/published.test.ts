import { expect, test } from 'vitest';
import type { PublishedKeys, RegistrationStore } from '../../../src/stores/store.ts';
import { JwksdError } from '../../../src/errors.ts';
import { MemoryStore } from '../../../src/stores/memory.ts';
import { PublishedSets, type ClientSet } from '../../../src/tokens/registration/published.ts';
import { ManualClock, settle } from '../../fakes/clock.ts';
import { admitted, rsaJwk } from '../../fakes/keys.ts';

const clock = new ManualClock();
const limits = { maxKeysPerClient: 1000, uniqueAcrossClients: false };
const key = admitted(rsaJwk('key'));

const register = async (
  store: RegistrationStore,
  clientId: string,
  name: string,
  ttl = 1e9,
): Promise<void> => {
  await store.register({
    clientId,
    key: admitted(rsaJwk(name)),
    alg: 'RS256',
    expiresAt: clock.wall() + ttl,
    limits,
  });
};

/** A store whose lookups are answered when the test says so. */
const slow = (): { store: RegistrationStore; asked: string[]; answer: () => void } => {
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  const store = new MemoryStore({ maxRecords: 1000 }, clock);
  const direct = store.published.bind(store);
  store.published = async (clientId): Promise<PublishedKeys | undefined> => {
    asked.push(clientId);
    const found = await direct(clientId);
    await new Promise<void>((resolve) => void waiting.push(resolve));
    return found;
  };
  return { store, asked, answer: () => waiting.shift()?.() };
};

const setsOf = (store: RegistrationStore): PublishedSets =>
  new PublishedSets({ store, clock, denied: () => none });
const none: ReadonlySet<string> = new Set();

/** How many keys a set has. */
const count = (set: ClientSet | undefined): number =>
  (JSON.parse(set?.body.toString() ?? '{"keys":[]}') as { keys: unknown[] }).keys.length;

test('many who ask for one client ask the store once', async () => {
  const { store, asked, answer } = slow();
  await register(store, 'app', 'key');
  const sets = setsOf(store);
  const answers = Promise.all(Array.from({ length: 50 }, async () => await sets.get('app')));
  await settle();
  answer();
  expect(new Set(await answers).size).toBe(1);
  expect(asked).toEqual(['app']);
});

test('an answer that was overtaken by a change is not held, and not given to who asks after the change', async () => {
  const { store, asked, answer } = slow();
  await register(store, 'app', 'key');
  const sets = setsOf(store);
  const before = sets.get('app');
  await settle();
  await register(store, 'app', 'second');
  const after = sets.get('app');
  await settle();
  answer();
  answer();
  expect([count(await before), count(await after)]).toEqual([1, 2]);
  expect(asked).toHaveLength(2);
});

test('at most six lookups are with the store, a thousand wait, and more are refused', async () => {
  const { store, asked, answer } = slow();
  const sets = setsOf(store);
  const outcomes = Array.from(
    { length: 1010 },
    async (_, n) =>
      await sets.get(`client ${n}`).then(
        () => 'answered',
        (error: { code?: string }) => error.code,
      ),
  );
  await settle();
  expect(asked).toHaveLength(6);
  while (asked.length < 1006) {
    answer();
    await settle(5);
    expect(asked.length).toBeLessThanOrEqual(1006);
  }
  for (let n = 0; n < 6; n += 1) answer();
  const all = await Promise.all(outcomes);
  expect(all.filter((outcome) => outcome === 'answered')).toHaveLength(1006);
  expect(all.filter((outcome) => outcome === 'store_unavailable')).toHaveLength(4);
  // All places are free again.
  const last = sets.get('last');
  await settle();
  answer();
  expect(await last).toBeUndefined();
});

test('what is held is bounded by bytes, however large sets are, and those asked for least recently go', async () => {
  const jwk = { kty: 'RSA', kid: 'x', n: 'n'.repeat(1_000_000) };
  const record = { jwk, expiresAt: 1e15 } as unknown as PublishedKeys['keys'][number];
  const asked: string[] = [];
  const store = new MemoryStore({ maxRecords: 1 }, clock);
  store.published = async (clientId) => {
    asked.push(clientId);
    return { keys: [record], revision: 'r', validUntil: undefined };
  };
  const sets = setsOf(store);
  for (let n = 0; n < 100; n += 1) {
    await sets.get(`client ${n}`);
    await sets.get('often');
  }
  expect(sets.held).toBeGreaterThan(30e6);
  expect(sets.held).toBeLessThanOrEqual(32 * 1024 * 1024);
  expect(asked.filter((client) => client === 'often')).toHaveLength(1);
  await sets.get('client 0');
  expect(asked.at(-1)).toBe('client 0');
});

test('a set is read again after half a minute, although nothing was heard', async () => {
  const store = new MemoryStore({ maxRecords: 1000 }, clock);
  await register(store, 'app', 'key');
  let reads = 0;
  const direct = store.published.bind(store);
  store.published = async (clientId) => {
    reads += 1;
    return await direct(clientId);
  };
  const sets = setsOf(store);
  const first = await sets.get('app');
  await clock.advance(29_000);
  expect(await sets.get('app')).toBe(first);
  expect(reads).toBe(1);
  await clock.advance(1000);
  expect((await sets.get('app'))?.etag).toBe(first?.etag);
  expect(reads).toBe(2);
  expect(first?.body.toString()).toContain(key.thumbprint);
});

test('a key that ends while the store is away takes none of the others with it', async () => {
  const store = new MemoryStore({ maxRecords: 1000 }, clock);
  await register(store, 'app', 'key', 20_000);
  await register(store, 'app', 'second', 40_000);
  const sets = setsOf(store);
  const ends = clock.wall() + 40_000;
  expect(count(await sets.get('app'))).toBe(2);
  let ok = false;
  Object.defineProperty(store, 'health', { get: () => ({ ok, detail: 'away' }) });
  store.published = async () => {
    throw await Promise.resolve(new JwksdError('store_unavailable', 'away'));
  };
  await clock.advance(20_000);
  const later = await sets.get('app');
  expect(JSON.parse(later?.body.toString() ?? '')).toMatchObject({
    keys: [{ kid: admitted(rsaJwk('second')).thumbprint }],
  });
  expect(later?.validUntil).toBe(ends);
  // Also before the store noticed that it is away.
  ok = true;
  expect((await sets.get('app'))?.etag).toBe(later?.etag);
  await clock.advance(20_000);
  expect((await sets.get('app'))?.body.toString()).toBe('{"keys":[]}');
});
