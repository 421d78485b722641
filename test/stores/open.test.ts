import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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

  test('publishes no damaged key, tells of it once, and goes on', async () => {
    const clock = new ManualClock();
    const at = path.join(home, 'flipped');
    const before = await openStore({ type: 'lmdb', path: at }, clock, createLog().log);
    for (const name of ['a', 'b', 'c']) await before.register(registrationOf(clock, 'app', keyOf(name)));
    await before.close();
    const file = path.join(at, 'data.mdb');
    const bytes = await readFile(file);
    const x = `"x":"${String(keyOf('b').jwk.x)}`;
    for (let index = bytes.indexOf(x); index >= 0; index = bytes.indexOf(x, index + 1))
      bytes.write('AAAA', index + 5);
    await writeFile(file, bytes);
    const { log, lines } = createLog();
    const store = await openStore({ type: 'lmdb', path: at }, clock, log);
    const sound = [keyOf('a').thumbprint, keyOf('c').thumbprint].sort();
    for (let turn = 0; turn < 2; turn += 1) {
      const published = await store.published('app');
      expect(published?.keys.map(({ jkt }) => jkt).sort()).toEqual(sound);
      const listed: string[] = [];
      let after: string | undefined;
      do {
        const page = await store.list({ clientId: 'app', limit: 1, after });
        listed.push(...page.records.map(({ jkt }) => jkt));
        after = page.next;
      } while (after !== undefined);
      expect(listed.sort()).toEqual(sound);
    }
    expect(lines).toMatchObject([
      { level: 'warn', text: expect.stringContaining('damaged'), members: { jkt: keyOf('b').thumbprint } },
    ]);
    await expect(store.register(registrationOf(clock, 'app', keyOf('b')))).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    expect(store.health).toEqual({ ok: true });
    await store.close();
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
