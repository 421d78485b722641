import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openStore } from '../../src/stores/open.ts';
import type { RegistrationStore } from '../../src/stores/store.ts';
import { ManualClock } from '../fakes/clock.ts';
import { createLog } from '../fakes/log.ts';
import { keyOf, registrationOf } from './conformance.ts';

const open = async (at: string): Promise<RegistrationStore> =>
  await openStore({ type: 'lmdb', path: at }, systemClock, createLog().log);

describe('openStore', () => {
  let home: string;

  beforeEach(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'jwksd-open-'));
  });
  afterEach(async () => {
    await rm(home, { recursive: true, force: true });
  });

  test('warns that a store in memory ends with the process', async () => {
    const { log, lines } = createLog();
    const store = await openStore({ type: 'memory' }, new ManualClock(), log);
    expect(lines).toMatchObject([{ level: 'warn', text: expect.stringContaining('lost') }]);
    await store.close();
  });

  test('sweeps every minute until the store is closed', async () => {
    const clock = new ManualClock();
    const store = await openStore(
      { type: 'lmdb', path: path.join(home, 'new', 'store') },
      clock,
      createLog().log,
    );
    await store.register(registrationOf(clock, 'app', keyOf('a'), { expiresAt: clock.wall() + 1 }));
    await clock.advance(60_000);
    await vi.waitFor(async () => {
      expect(await store.get('app', keyOf('a').thumbprint)).toBeUndefined();
    });
    await store.close();
    expect(clock.pending).toBe(0);
  });

  test('refuses a directory that cannot be one, and a store of another format', async () => {
    const file = path.join(home, 'file');
    await writeFile(file, 'x');
    await expect(open(file)).rejects.toMatchObject({ code: 'store_unavailable' });
    const damaged = path.join(home, 'damaged');
    await (await open(damaged)).close();
    await writeFile(path.join(damaged, 'data.mdb'), Buffer.alloc(65_536, 1));
    await expect(open(damaged)).rejects.toMatchObject({ code: 'store_unavailable' });
  });

  test('does not need PostgreSQL to be there: the store is unhealthy, and refuses at once', async () => {
    const { log, lines } = createLog();
    const store = await openStore(
      { type: 'postgres', url: 'postgres://jwksd:very-secret@127.0.0.1:1/jwksd' },
      systemClock,
      log,
    );
    expect(store.health).toMatchObject({ ok: false });
    const before = performance.now();
    await expect(store.published('app')).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(store.register(registrationOf(new ManualClock(), 'app', keyOf('a')))).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    expect(performance.now() - before).toBeLessThan(1000);
    expect(JSON.stringify([store.health, lines])).not.toContain('very-secret');
    await store.close();
  });
});
