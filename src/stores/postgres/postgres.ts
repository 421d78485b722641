import type { Clock } from '../../clock.ts';
import { clientKey, textDigest } from '../client-key.ts';
import { isThumbprint, pageOf, rangeOf } from '../cursor.ts';
import { decide } from '../decide.ts';
import { Listeners } from '../listeners.ts';
import { publishedKeys } from '../published.ts';
import { ReadableRecords } from '../readable.ts';
import { decodeRecord, encodeRecord, revokedRecord, type StoredRecord } from '../record.ts';
import type {
  Changes,
  ListOptions,
  Page,
  PublishedKeys,
  RegisteredKey,
  RegisterOutcome,
  Registration,
  RegistrationStore,
  RevocationReason,
  RevokeOutcome,
  SharedCounters,
  StoreHealth,
  StoreLog,
  Swept,
} from '../store.ts';
import { Connections } from './connections.ts';
import { Notices } from './notices.ts';
import * as sql from './sql.ts';

interface RecordRow {
  readonly client: Buffer;
  readonly jkt: Buffer | null;
  readonly record: string | null;
}

interface SituationRow {
  readonly replayed: boolean;
  readonly nonceIsGood: boolean;
  readonly record: string | null;
  readonly current: number;
  readonly tombstones: number;
  readonly heldElsewhere: boolean;
}

/**
 * The store of replicas: any number of jwksd on one PostgreSQL (13 or newer) decide as one.
 *
 * Nothing is kept in memory, so a key that one replica registered is found by any other at its next lookup.
 */
export class PostgresStore implements RegistrationStore {
  readonly type = 'postgres';
  readonly counters: SharedCounters = { hit: async (name, windowMs) => await this.#hit(name, windowMs) };
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #listeners = new Listeners();
  readonly #notices: Notices;
  readonly #readable: ReadableRecords;

  private constructor(connections: Connections, clock: Clock, log: StoreLog) {
    this.#connections = connections;
    this.#readable = new ReadableRecords(log);
    this.#clock = clock;
    this.#notices = new Notices(connections, this.#listeners, clock);
  }

  /** Resolves when the first attempt to connect has ended, one way or the other. */
  static async open(url: string, clock: Clock, log: StoreLog): Promise<PostgresStore> {
    const store = new PostgresStore(await Connections.open(url, clock, log), clock, log);
    await store.#notices.start();
    return store;
  }

  get health(): StoreHealth {
    return this.#connections.health;
  }

  get lastOk(): number | undefined {
    return this.#connections.lastOk;
  }

  async register(registration: Registration): Promise<RegisterOutcome> {
    const { clientId, key, replay, nonce, limits } = registration;
    const client = textDigest(clientId);
    const jkt = Buffer.from(key.thumbprint, 'base64url');
    const position = Buffer.concat([client, jkt]);
    const jti = replay === undefined ? null : textDigest(replay.jti);
    const nonceDigest = nonce === undefined ? null : textDigest(nonce);
    const now = wholeMs(this.#clock.wall());
    const decision = await this.#connections.transaction(async (runner) => {
      await runner.rows(sql.lockClient, [client.readInt32BE()]);
      if (limits.uniqueAcrossClients) await runner.rows(sql.lockKey, [jkt.readInt32BE()]);
      const found = await runner.rows<SituationRow>(sql.situation, [
        client,
        jkt,
        jti,
        nonceDigest,
        now,
        limits.uniqueAcrossClients,
      ]);
      const decided = decide(registration, situationOf(found[0], position), now);
      if (decided.outcome !== 'created' && decided.outcome !== 'exists') return decided;
      await runner.rows(sql.store, [
        client,
        jkt,
        wholeMs(decided.record.expiresAt),
        encodeRecord(decided.record),
        jti,
        replay === undefined ? null : wholeMs(replay.expiresAt),
        nonceDigest,
        clientKey(clientId),
      ]);
      return decided;
    });
    if (decision.outcome === 'created' || decision.outcome === 'exists')
      this.#listeners.tell([clientKey(clientId)]);
    return decision;
  }

  async revoke(clientId: string, jkt: string, reason: RevocationReason): Promise<RevokeOutcome | undefined> {
    if (!isThumbprint(jkt)) return undefined;
    const client = textDigest(clientId);
    const digest = Buffer.from(jkt, 'base64url');
    const outcome = await this.#connections.transaction(
      async (runner): Promise<RevokeOutcome | undefined> => {
        // A registration that has read the record must not write it again after this.
        await runner.rows(sql.lockClient, [client.readInt32BE()]);
        const [row] = await runner.rows<{ record: string }>(sql.get, [client, digest]);
        if (row === undefined) return undefined;
        const record = decodeRecord({ text: row.record, position: Buffer.concat([client, digest]) });
        if (record.revoked !== undefined) return { outcome: 'already', record };
        const revoked = revokedRecord(record, reason, this.#clock.wall());
        await runner.rows(sql.revoke, [client, digest, reason, encodeRecord(revoked), clientKey(clientId)]);
        return { outcome: 'revoked', record: revoked };
      },
    );
    if (outcome?.outcome === 'revoked') this.#listeners.tell([clientKey(clientId)]);
    return outcome;
  }

  async get(clientId: string, jkt: string): Promise<RegisteredKey | undefined> {
    if (!isThumbprint(jkt)) return undefined;
    const values = [textDigest(clientId), Buffer.from(jkt, 'base64url')];
    const [row] = await this.#connections.run(
      async (runner) => await runner.rows<{ record: string }>(sql.get, values),
    );
    return row && decodeRecord({ text: row.record, position: Buffer.concat(values) });
  }

  async published(clientId: string): Promise<PublishedKeys | undefined> {
    const now = wholeMs(this.#clock.wall());
    const values = [textDigest(clientId), now];
    const rows = await this.#connections.run(
      async (runner) => await runner.rows<RecordRow>(sql.published, values),
    );
    return rows.length === 0 ? undefined : publishedKeys(this.#readable.of(storedOf(rows)), now);
  }

  async list(options: ListOptions): Promise<Page> {
    const { from, to } = rangeOf(options);
    const values = [from.subarray(0, 32), from.subarray(32), to.subarray(0, 32), options.limit + 1];
    const rows = await this.#connections.run(
      async (runner) => await runner.rows<RecordRow>(sql.list, values),
    );
    return pageOf(storedOf(rows), options.limit, (shown) => this.#readable.of(shown));
  }

  async addNonce(nonce: string, expiresAt: number): Promise<void> {
    const values = [textDigest(nonce), wholeMs(expiresAt)];
    await this.#connections.run(async (runner) => await runner.rows(sql.addNonce, values));
  }

  async sweep(): Promise<Swept> {
    const sweepAll = async (statement: sql.Statement): Promise<number> => {
      let total = 0;
      for (;;) {
        const now = wholeMs(this.#clock.wall());
        const removed = await this.#connections.run(async (runner) => await runner.count(statement, [now]));
        total += removed;
        if (removed < sql.sweepLimit) return total;
      }
    };
    await sweepAll(sql.sweeps.counters);
    return {
      records: await sweepAll(sql.sweeps.records),
      replays: await sweepAll(sql.sweeps.replays),
      nonces: await sweepAll(sql.sweeps.nonces),
    };
  }

  onChange(listener: (changes: Changes) => void): () => void {
    return this.#listeners.add(listener);
  }

  async close(): Promise<void> {
    await this.#notices.close();
    await this.#connections.close();
  }

  async #hit(name: string, windowMs: number): Promise<{ count: number; left: number }> {
    const values = [textDigest(name), wholeMs(this.#clock.wall()), windowMs];
    const [row] = await this.#connections.run(
      async (runner) => await runner.rows<{ count: number; left: number }>(sql.hit, values),
    );
    return row ?? { count: 1, left: windowMs };
  }
}

/** Columns of dates are `bigint`, which takes no fraction. */
const wholeMs = (time: number): number => Math.floor(time);

const storedOf = (rows: readonly RecordRow[]): readonly StoredRecord[] =>
  rows.flatMap(({ client, jkt, record }) =>
    jkt === null || record === null ? [] : [{ text: record, position: Buffer.concat([client, jkt]) }],
  );

const situationOf = (row: SituationRow | undefined, position: Buffer): Parameters<typeof decide>[1] => ({
  // A row there always is; without one nothing may be written.
  replayed: () => row?.replayed ?? true,
  nonceIsGood: () => row?.nonceIsGood ?? false,
  record: () => (typeof row?.record === 'string' ? decodeRecord({ text: row.record, position }) : undefined),
  heldElsewhere: () => row?.heldElsewhere ?? true,
  counts: () => row ?? { current: Infinity, tombstones: Infinity },
});
