import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LastKnownGood } from '../../../src/sources/upstream/last-known-good.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { jwks, kidsOf } from '../../fakes/keys.ts';
import {
  answer,
  failing,
  held,
  rig,
  started,
  type Rig,
  type RigOptions,
} from '../../fakes/upstream-source.ts';

const minute = 60_000;
const hour = 60 * minute;
const fresh = answer(jwks('a'), { 'cache-control': 'max-age=600' });

/** The source that takes the place of `before`, started when the upstream is down. */
const successor = async (before: Rig, options: RigOptions = {}): Promise<Rig> => {
  const after = rig([failing('connect')], {
    clock: before.clock,
    inherit: () => before.source.handOver(),
    ...options,
  });
  await after.source.start(() => void after.history.push(after.source.current));
  return after;
};

describe('a source that takes the place of another', () => {
  test('has its keys, as old as they are however long it took to start', async () => {
    const before = await started([fresh]);
    const after = rig([failing('connect')], {
      clock: before.clock,
      maxStale: hour,
      inherit: () => before.source.handOver(),
    });
    await before.clock.advance(30 * minute);
    before.network.answerWith(failing('connect'));
    await before.clock.advance(20 * minute);
    await after.source.start(() => undefined);
    expect(after.source.current.state).toBe('RESTORED');
    expect(after.source.status().age).toBe(before.source.status().age);
    expect(after.source.status().lastSuccess).toBe(before.source.status().lastSuccess);
  });

  test('takes over what the other found until the end, as long as it has none of its own', async () => {
    const before = await started([fresh]);
    const after = await successor(before);
    await before.clock.advance(5000);
    before.network.answerWith(answer(jwks('a', 'new')));
    await before.source.refresh('demand');
    expect(kidsOf(after.source.current.keys)).toEqual(['a']);
    after.source.takeOver();
    await before.source.close();
    expect(kidsOf(after.source.current.keys)).toEqual(['a', 'new']);
    expect(after.source.current.state).toBe('RESTORED');
  });

  test('keeps what it fetched itself, and fetches again when the other found something later', async () => {
    const before = await started([fresh]);
    const after = await successor(before);
    after.network.answerWith(answer(jwks('mine'), { 'cache-control': 'max-age=86400' }));
    await after.clock.advance(1000);
    const { length } = after.network.sent;
    after.source.takeOver();
    await after.clock.advance(1000);
    expect(after.network.sent).toHaveLength(length);

    const third = rig([answer(jwks('mine'))], {
      clock: before.clock,
      inherit: () => before.source.handOver(),
    });
    await third.source.start(() => undefined);
    await before.clock.advance(1000);
    await before.source.refresh('demand');
    third.network.answerWith(answer(jwks('mine', 'new')));
    third.source.takeOver();
    await before.clock.advance(0);
    expect(third.network.sent).toHaveLength(2);
    expect(kidsOf(third.source.current.keys)).toContain('new');
  });

  test('takes over once only: its predecessors can be forgotten', async () => {
    let asked = 0;
    const { source } = await started([held().reply], { inherit: () => void (asked += 1) });
    source.takeOver();
    source.takeOver();
    expect(asked).toBe(2);
  });
});

describe('the lifespan of keys goes with them', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'jwksd-handover-'));
  });
  afterEach(async () => await rm(directory, { recursive: true }));

  const cases = [
    ['never', 'max-age=600', 10 * minute],
    ['never', 'max-age=600, stale-if-error=3600', 10 * minute],
    ['rfc9111', 'max-age=600, stale-if-error=3600', 70 * minute],
    ['rfc9111', 'max-age=600', 10 * minute],
    ['always', 'max-age=600', 24 * hour],
  ] as const;

  /** Keys of `cacheControl` that were confirmed for the last time at the beginning of an outage. */
  const outage = async (staleIfError: 'always' | 'rfc9111' | 'never', cacheControl: string) => {
    const file = new LastKnownGood(directory, 'idp', 'https://idp.example.org');
    const options = { staleIfError, file };
    const before = await started([answer(jwks('a'), { 'cache-control': cacheControl })], options);
    before.network.answerWith(failing('connect'));
    return { before, options };
  };

  test.each(cases)('to a successor: %s with %s ends after %i ms', async (staleIfError, header, end) => {
    for (const [later, shown] of [
      [-minute, 1],
      [minute, 0],
    ] as const) {
      const { before, options } = await outage(staleIfError, header);
      await before.clock.advance(end + later);
      const after = await successor(before, options);
      expect(after.source.current.keys).toHaveLength(shown);
      await after.clock.advance(minute);
      expect(after.source.current.keys).toEqual([]);
      await Promise.all([before.source.close(), after.source.close()]);
    }
  });

  test.each(cases)('through a restart: %s with %s ends after %i ms', async (staleIfError, header, end) => {
    for (const [later, shown] of [
      [-minute, 1],
      [minute, 0],
    ] as const) {
      const { before, options } = await outage(staleIfError, header);
      await before.source.close();
      const clock = new ManualClock(before.clock.wall() + end + later);
      const after = rig([failing('connect')], { ...options, clock });
      await after.source.start(() => undefined);
      expect(after.source.current.keys).toHaveLength(shown);
      await clock.advance(minute);
      expect(after.source.current.keys).toEqual([]);
      await after.source.close();
    }
  });

  test('what has expired comes back with the first success', async () => {
    const { before, options } = await outage('never', 'max-age=600');
    await before.clock.advance(hour);
    const after = await successor(before, options);
    expect(after.source.current.state).toBe('EXPIRED');
    after.network.answerWith(answer(jwks('b')));
    await after.clock.advance(minute);
    expect(kidsOf(after.source.current.keys)).toEqual(['b']);
    await Promise.all([before.source.close(), after.source.close()]);
  });
});
