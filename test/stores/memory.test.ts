import { describe, expect, test } from 'vitest';
import { MemoryStore } from '../../src/stores/memory.ts';
import { ManualClock } from '../fakes/clock.ts';
import { conformance, keyOf, registrationOf } from './conformance.ts';

conformance('memory', { shared: false }, async () => ({
  create: async () => async (clock) => new MemoryStore({ maxRecords: 1000 }, clock),
  close: async () => undefined,
}));

describe('a full memory store', () => {
  test('refuses new records, replay entries and nonces, forgets nothing, and makes room of what expired', async () => {
    const clock = new ManualClock();
    const store = new MemoryStore({ maxRecords: 2 }, clock);
    const full = { code: 'store_unavailable' };
    await store.register(registrationOf(clock, 'a', keyOf('1')));
    await store.register(registrationOf(clock, 'b', keyOf('2'), { expiresAt: clock.wall() + 10 }));
    await expect(store.register(registrationOf(clock, 'c', keyOf('3')))).rejects.toMatchObject(full);
    expect((await store.published('a'))?.keys).toHaveLength(1);
    expect(await store.published('c')).toBeUndefined();
    expect(await store.register(registrationOf(clock, 'a', keyOf('1')))).toMatchObject({ outcome: 'exists' });

    const replay = (jti: string): object => ({ replay: { jti, expiresAt: clock.wall() + 5 } });
    await store.register(registrationOf(clock, 'a', keyOf('1'), replay('i')));
    await store.register(registrationOf(clock, 'a', keyOf('1'), replay('j')));
    await expect(store.register(registrationOf(clock, 'a', keyOf('1'), replay('k')))).rejects.toMatchObject(
      full,
    );
    expect(await store.register(registrationOf(clock, 'a', keyOf('1'), replay('i')))).toEqual({
      outcome: 'replayed',
    });
    await store.addNonce('n', clock.wall() + 5);
    await store.addNonce('m', clock.wall() + 5);
    await expect(store.addNonce('o', clock.wall() + 5)).rejects.toMatchObject(full);

    await clock.advance(10);
    expect(await store.register(registrationOf(clock, 'c', keyOf('3'), replay('k')))).toMatchObject({
      outcome: 'created',
    });
    await store.addNonce('o', clock.wall() + 5);
  });
});
