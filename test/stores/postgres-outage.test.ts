import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { JwksdError } from '../../src/errors.ts';
import { clientKey } from '../../src/stores/client-key.ts';
import { openStore } from '../../src/stores/open.ts';
import type { RegistrationStore } from '../../src/stores/store.ts';
import { ManualClock, until } from '../fakes/clock.ts';
import { admitted, rsaJwk } from '../fakes/keys.ts';
import { createLog } from '../fakes/log.ts';
import { startPostgres, type Postgres } from '../fakes/postgres.ts';
import { buildProgram, type Program } from '../fakes/program.ts';
import { keyOf, registrationOf } from './conformance.ts';
import { raceProcesses, surviveKills } from './crash.ts';

const day = 86_400_000;

const register = async (store: RegistrationStore, number: number): Promise<string> => {
  const expiresAt = Date.now() + day;
  try {
    const { outcome } = await store.register({
      clientId: `client ${number % 7}`,
      key: admitted(rsaJwk(`key ${number}`)),
      alg: 'RS256',
      expiresAt,
      replay: { jti: `jti ${number}`, expiresAt },
      limits: { maxKeysPerClient: 1_000_000, uniqueAcrossClients: false },
    });
    return outcome;
  } catch (error) {
    return error instanceof JwksdError ? error.code : String(error);
  }
};

describe('a PostgreSQL store', () => {
  let server: Postgres;
  let writer: Program;
  let url: string;
  let stores: RegistrationStore[];

  beforeAll(async () => {
    server = await startPostgres();
    writer = await buildProgram('test/stores/writer-process.ts');
  });
  afterAll(async () => {
    await Promise.all([server.stop(), writer.remove()]);
  });
  beforeEach(async () => {
    url = await server.database();
    stores = [];
  });
  afterEach(async () => {
    await Promise.all(stores.map(async (store) => await store.close()));
  });

  const open = async (): Promise<RegistrationStore> => {
    const store = await openStore({ type: 'postgres', url }, systemClock, createLog().log);
    stores.push(store);
    return store;
  };
  const query = async (text: string): Promise<readonly Record<string, unknown>[]> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  };
  test('loses nothing that was acknowledged when its process is killed, and keeps nothing by half', async () => {
    await surviveKills(writer.file, { type: 'postgres', url }, 5);
  }, 60_000);

  test('decides one after the other for three processes', async () => {
    await raceProcesses(writer.file, { type: 'postgres', url }, 200);
  }, 60_000);

  test('is made once by replicas that start at the same time on an empty database', async () => {
    const started = await Promise.all(Array.from({ length: 5 }, open));
    for (const store of started) expect(store.health).toEqual({ ok: true });
    expect(await query('select version from jwksd_migrations')).toEqual([{ version: 1 }]);
  });

  test('without the right to make its tables is unhealthy and says why, and works once it has it', async () => {
    await query(
      `create role restricted login; grant restricted to jwksd; revoke create on schema public from public;`,
    );
    const other = url.replace('jwksd@', 'restricted@');
    const store = await openStore({ type: 'postgres', url: other }, systemClock, createLog().log);
    stores.push(store);
    expect(store.health).toMatchObject({ ok: false, detail: expect.stringContaining('permission denied') });
    expect(await register(store, 1)).toBe('store_unavailable');
    await query('grant create on schema public to restricted');
    await until(() => store.health.ok);
    expect(await register(store, 1)).toBe('created');
  });

  test('through a kill and a restart of the server refuses soon, loses nothing, and writes nothing twice', async () => {
    const replicas = [await open(), await open()];
    const acknowledged: number[] = [];
    const refused: number[] = [];
    let slowest = 0;
    let next = 0;
    const load = { over: false };
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      while (!load.over) {
        const number = next;
        next += 1;
        const before = performance.now();
        const outcome = await register(replicas[lane % 2]!, number);
        slowest = Math.max(slowest, performance.now() - before);
        if (outcome === 'created') acknowledged.push(number);
        else {
          expect(outcome).toBe('store_unavailable');
          refused.push(number);
          await new Promise<void>((resolve) => void systemClock.after(5, resolve));
        }
      }
    });
    await until(() => acknowledged.length > 100);
    await server.kill();
    await until(() => replicas.every((store) => !store.health.ok));
    const before = performance.now();
    await expect(replicas[0]!.published('client 1')).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(performance.now() - before).toBeLessThan(2500);
    await server.start();
    const atRestart = acknowledged.length;
    await until(() => acknowledged.length > atRestart + 100, 15_000);
    load.over = true;
    await Promise.all(lanes);
    expect(refused.length).toBeGreaterThan(0);
    expect(slowest).toBeLessThan(8000);
    for (const store of replicas) expect(store.health).toEqual({ ok: true });

    for (const number of acknowledged) {
      const record = await replicas[0]!.get(
        `client ${number % 7}`,
        admitted(rsaJwk(`key ${number}`)).thumbprint,
      );
      expect(record, `key ${number}`).toBeDefined();
    }
    // One that was refused may have been committed just before the connection broke; then its jti is used up too.
    for (const number of refused) {
      const record = await replicas[1]!.get(
        `client ${number % 7}`,
        admitted(rsaJwk(`key ${number}`)).thumbprint,
      );
      expect(await register(replicas[0]!, number)).toBe(record === undefined ? 'created' : 'replayed');
    }
    const [row] = await query('select count(*)::int as records from jwksd_registrations');
    expect(row).toEqual({ records: acknowledged.length + refused.length });
  }, 60_000);

  test('tells a replica by LISTEN at once, and without it by its look every second', async () => {
    const [one, two] = [await open(), await open()];
    const heard = async (number: number): Promise<number> => {
      const before = performance.now();
      let done = false;
      const stop = two.onChange((changes) => {
        done ||= changes === 'all' || changes.includes(clientKey(`client ${number}`));
      });
      expect(await register(one, number)).toBe('created');
      await until(() => done);
      stop();
      return performance.now() - before;
    };
    expect(await heard(1)).toBeLessThan(2000);
    // The notice is lost: nobody listens.
    await query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and datname = current_database()`,
    );
    expect(await heard(2)).toBeLessThan(2000);
  });

  test('is as well as before when an operator ends its connections', async () => {
    const store = await open();
    await Promise.all(Array.from({ length: 20 }, async (_, number) => await register(store, number)));
    await query(
      `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()`,
    );
    await until(() => store.health.ok);
    let outcome = '';
    while (outcome !== 'created') {
      outcome = await register(store, 100);
      if (outcome !== 'created') await new Promise<void>((resolve) => void systemClock.after(20, resolve));
    }
    expect(await register(store, 100)).toBe('replayed');
  });

  test('on a full disk refuses writes, answers reads, and writes again when there is room', async () => {
    const store = await open();
    expect(await register(store, 1)).toBe('created');
    // What the server says on a full disk (SQLSTATE 53100), in the middle of a registration's transaction.
    await query(`
      create function no_room() returns trigger language plpgsql as
        $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
      create trigger no_room before insert on jwksd_replays for each row execute function no_room();`);
    expect(await register(store, 2)).toBe('store_unavailable');
    expect((await store.published('client 1'))?.keys).toHaveLength(1);
    expect(await store.published('client 2')).toBeUndefined();
    await query('drop trigger no_room on jwksd_replays');
    expect(await register(store, 2)).toBe('created');
  });

  test('gives up on a lock that somebody holds, and on a statement that takes too long', async () => {
    const store = await open();
    expect(await register(store, 1)).toBe('created');
    const holder = new Client({ connectionString: url });
    await holder.connect();
    await holder.query('begin; lock table jwksd_registrations');
    const before = performance.now();
    expect(await register(store, 2)).toBe('store_unavailable');
    expect(performance.now() - before).toBeLessThan(8000);
    await holder.query('rollback');
    await holder.end();
    expect(await register(store, 2)).toBe('created');
  });

  test('publishes no damaged key, and holds no lock for one', async () => {
    const store = await open();
    const clock = new ManualClock(Date.now());
    for (const name of ['a', 'b']) await store.register(registrationOf(clock, 'app', keyOf(name)));
    await query(`update jwksd_registrations set record = replace(record, '${keyOf('b').jwk.x}', 'AAAA')`);
    const published = await store.published('app');
    expect(published?.keys.map(({ jkt }) => jkt)).toEqual([keyOf('a').thumbprint]);
    await expect(store.get('app', keyOf('b').thumbprint)).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    await expect(store.revoke('app', keyOf('b').thumbprint, 'deleted')).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    expect(await query(`select 1 from pg_locks where locktype = 'advisory'`)).toEqual([]);
    expect(await store.revoke('app', keyOf('a').thumbprint, 'deleted')).toMatchObject({ outcome: 'revoked' });
    expect(store.health).toEqual({ ok: true });
  });

  test('counts hits for all replicas together, in windows that end', async () => {
    const clock = new ManualClock();
    const replicas = await Promise.all(
      [0, 1].map(async () => await openStore({ type: 'postgres', url }, clock, createLog().log)),
    );
    stores.push(...replicas);
    const hit = async (index: number): Promise<unknown> =>
      await replicas[index % 2]!.counters?.hit('a/\u0000', 1000);
    const counts = await Promise.all(Array.from({ length: 10 }, async (_, index) => await hit(index)));
    expect(counts).toHaveLength(10);
    expect(new Set(counts.map((each) => (each as { count: number }).count)).size).toBe(10);
    await clock.advance(400);
    expect(await hit(0)).toEqual({ count: 11, left: 600 });
    await clock.advance(600);
    expect(await hit(1)).toEqual({ count: 1, left: 1000 });
  });

  test('uses its indexes for every lookup', async () => {
    const clock = new ManualClock();
    const store = await openStore({ type: 'postgres', url }, clock, createLog().log);
    stores.push(store);
    await store.register(registrationOf(clock, 'app', keyOf('a')));
    await query(`
      insert into jwksd_registrations
      select sha256(int4send(n % 2000)), sha256(int4send(n)), n, null, record, changed
      from generate_series(1, 20000) n, jwksd_registrations;
      analyze jwksd_registrations;`);
    await store.published('app');
    await store.get('app', keyOf('a').thumbprint);
    await store.list({ limit: 10 });
    await store.register(
      registrationOf(clock, 'app', keyOf('b'), {
        limits: { maxKeysPerClient: 5, uniqueAcrossClients: true },
      }),
    );
    await vi.waitFor(async () => {
      const [row] = await query(
        `select seq_tup_read::int as read, idx_scan::int as scans from pg_stat_user_tables where relname = 'jwksd_registrations'`,
      );
      expect(row?.['scans']).toBeGreaterThan(3);
      expect(row?.['read']).toBeLessThan(20_000);
    }, 10_000);
  });
});
