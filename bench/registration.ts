import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { systemClock } from '../src/clock.ts';
import { textDigest } from '../src/stores/client-key.ts';
import { openStore, type StoreOptions } from '../src/stores/open.ts';
import { encodeRecord, newRecord } from '../src/stores/record.ts';
import type { RegistrationStore } from '../src/stores/store.ts';
import { startPostgres } from '../test/fakes/postgres.ts';
import { peer } from './support/process.ts';
import { quantile, registrationOf } from './support/registrations.ts';
import { httpColumns, measureHttp } from './support/registrations-http.ts';
import { print, printTable, shown } from './support/report.ts';

// Registration stores at 1,000 to 1,000,000 keys: registrations per second, lookups, start, memory; then the whole
// program on the fullest of them. Arguments: `lmdb`,
// `postgres`, and the highest number of keys; all of it when there are none.

const sizes = [1000, 10_000, 100_000, 1_000_000];
const lanes = 64;
const measuredMs = 5000;
const log = { info: () => undefined, warn: () => undefined };

interface Filled {
  readonly options: StoreOptions;
  /** Has keys `from` to `to` registered, by the fastest way there is. */
  fill(store: RegistrationStore, from: number, to: number): Promise<void>;
  /** Bytes on disk. */
  size(): Promise<number>;
  close(): Promise<void>;
}

/** Registers keys one after the other in each of the lanes, until there are `to` or `ms` milliseconds are over. */
const registerMany = async (
  store: RegistrationStore,
  from: number,
  to: number,
  ms = Number.POSITIVE_INFINITY,
): Promise<{ readonly rate: number; readonly p99: number }> => {
  const durations: number[] = [];
  const start = performance.now();
  let next = from;
  const lane = async (): Promise<void> => {
    while (next < to && performance.now() - start < ms) {
      const number = next;
      next += 1;
      const asked = performance.now();
      const { outcome } = await store.register(registrationOf(number, Date.now()));
      durations.push(performance.now() - asked);
      if (outcome !== 'created') throw new Error(`key ${number}: ${outcome}`);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const seconds = (performance.now() - start) / 1000;
  return { rate: durations.length / seconds, p99: quantile(durations, 0.99) };
};

const openLmdb = async (): Promise<Filled> => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'jwksd-bench-'));
  return {
    options: { type: 'lmdb', path: directory },
    fill: async (store, from, to) => void (await registerMany(store, from, to)),
    size: async () =>
      readdirSync(directory).reduce((sum, name) => sum + statSync(path.join(directory, name)).size, 0),
    close: async () => rmSync(directory, { recursive: true, force: true }),
  };
};

const openPostgres = async (): Promise<Filled> => {
  const server = await startPostgres({ fsync: 'on', shared_buffers: '256MB', max_wal_size: '4GB' });
  const url = await server.database();
  const client = new Client({ connectionString: url });
  await client.connect();
  return {
    options: { type: 'postgres', url },
    async fill(_, from, to) {
      const batch = 5000;
      for (let number = from; number < to; number += batch) {
        const now = Date.now();
        const records = Array.from({ length: Math.min(batch, to - number) }, (__, index) =>
          newRecord(registrationOf(number + index, now), now),
        );
        await client.query(
          `insert into jwksd_registrations (client, jkt, expires, record, changed)
           select unnest($1::bytea[]), unnest($2::bytea[]), $3, unnest($4::text[]), pg_current_xact_id()`,
          [
            records.map(({ clientId }) => textDigest(clientId)),
            records.map(({ jkt }) => Buffer.from(jkt, 'base64url')),
            records[0]?.expiresAt,
            records.map((record) => encodeRecord(record)),
          ],
        );
      }
      await client.query('vacuum analyze jwksd_registrations');
    },
    async size() {
      const { rows } = await client.query<{ size: string }>(
        'select pg_database_size(current_database()) as size',
      );
      return Number(rows[0]?.size);
    },
    async close() {
      await client.end();
      await server.stop();
    },
  };
};

interface Reader {
  readonly opened: number;
  readonly p50: number;
  readonly p99: number;
  readonly own: number;
  readonly mapped: number;
}

const readInProcess = (options: StoreOptions, keys: number): Reader =>
  JSON.parse(
    execFileSync(process.execPath, [peer('registration-store'), JSON.stringify(options), String(keys)], {
      encoding: 'utf8',
      timeout: 120_000,
    }),
  ) as Reader;

const columns = [
  'store',
  'keys',
  'registrations/s',
  'p99 ms',
  'lookup p50 us',
  'p99 us',
  'open ms',
  'own MB',
  'mapped MB',
  'on disk MB',
];

const measure = async (name: string, filled: Filled, largest: number): Promise<string[][]> => {
  const rows: string[][] = [];
  let registered = 0;
  for (const size of sizes.filter((each) => each <= largest)) {
    const store = await openStore(filled.options, systemClock, log);
    try {
      await filled.fill(store, registered, size);
      // Keys of clients that are beyond the size, so that the next fill finds its own free.
      const { rate, p99 } = await registerMany(
        store,
        10_000_000 + size * 10,
        Number.MAX_SAFE_INTEGER,
        measuredMs,
      );
      registered = size;
      const reader = readInProcess(filled.options, size);
      rows.push([
        name,
        shown(size),
        shown(rate),
        shown(p99, 1),
        shown(reader.p50),
        shown(reader.p99),
        shown(reader.opened),
        shown(reader.own),
        shown(reader.mapped),
        shown((await filled.size()) / 2 ** 20),
      ]);
      print(rows.at(-1)?.join(' | ') ?? '');
    } finally {
      await store.close();
    }
  }
  return rows;
};

const asked = process.argv.slice(2);
const largest = Number(asked.find((each) => /^\d+$/u.test(each)) ?? sizes.at(-1));
const names = asked.filter((each) => !/^\d+$/u.test(each));
const stores = { lmdb: openLmdb, postgres: openPostgres };
print(
  `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${os.availableParallelism()} cores (${os.cpus()[0]?.model ?? ''}), load before ${os.loadavg()[0]?.toFixed(1) ?? '-'}`,
  `${lanes} registrations at a time for ${measuredMs / 1000} s; 10,000 lookups of random clients, one after the other, in a process of its own`,
);
const rows: string[][] = [];
const httpRows: string[][] = [];
for (const [name, open] of Object.entries(stores)) {
  if (names.length > 0 && !names.includes(name)) continue;
  const filled = await open();
  try {
    rows.push(...(await measure(name, filled, largest)));
    httpRows.push(await measureHttp(filled.options, largest));
    print(httpRows.at(-1)?.join(' | ') ?? '');
  } finally {
    await filled.close();
  }
}
printTable(columns, rows);
print('the built program over HTTP, 32 requests at a time, load and server on the same machine');
printTable(httpColumns, httpRows);
