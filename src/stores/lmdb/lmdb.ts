import type { Cancel, Clock } from '../../clock.ts';
import { JwksdError } from '../../errors.ts';
import { clientKey } from '../client-key.ts';
import { isThumbprint, pageOf, positionOf, rangeOf } from '../cursor.ts';
import { countsAsHeld, decide } from '../decide.ts';
import { Listeners } from '../listeners.ts';
import { publishedKeys } from '../published.ts';
import { ReadableRecords } from '../readable.ts';
import { decodeRecord, isCurrent, revokedRecord } from '../record.ts';
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
  StoreHealth,
  StoreLog,
  Swept,
} from '../store.ts';
import { unavailable } from '../unavailable.ts';
import {
  decodeTime,
  encodeEntry,
  encodeTime,
  endKey,
  holderKey,
  kinds,
  nonceKey,
  nothing,
  readEntry,
  readHead,
  replayKey,
} from './entries.ts';
import { openEnvironment, type Environment } from './environment.ts';
import { sweepOnce } from './sweep.ts';
import { Writer } from './writer.ts';

const lookEvery = 1000;
const changesKey = Buffer.from('changes');

/**
 * The embedded store: one memory-mapped file, of which the operating system keeps in memory what is asked for.
 *
 * Several processes of one machine may share the directory: transactions are one after the other across them, and what
 * another process wrote is noticed within a second. Not on a network file system, which has no shared memory.
 */
export class LmdbStore implements RegistrationStore {
  readonly type = 'lmdb';
  readonly counters = undefined;
  readonly #environment: Environment;
  readonly #clock: Clock;
  readonly #writer: Writer;
  readonly #listeners = new Listeners();
  readonly #readable: ReadableRecords;
  /** What `changes` says when nobody else wrote. */
  #changes: number;
  #cancelLook: Cancel = () => undefined;
  #closing: Promise<void> | undefined;

  private constructor(environment: Environment, clock: Clock, log: StoreLog) {
    this.#environment = environment;
    this.#clock = clock;
    this.#writer = new Writer(environment, clock, log);
    this.#readable = new ReadableRecords(log);
    this.#changes = this.#readChanges();
    this.#lookLater();
  }

  /** @throws {JwksdError} `store_unavailable` when the directory cannot be opened */
  static async open(directory: string, clock: Clock, log: StoreLog): Promise<LmdbStore> {
    return new LmdbStore(await openEnvironment(directory), clock, log);
  }

  get health(): StoreHealth {
    return this.#writer.health;
  }

  get lastOk(): number | undefined {
    return this.#writer.lastOk;
  }

  async register(registration: Registration): Promise<RegisterOutcome> {
    const { clientId, key, replay, nonce } = registration;
    const position = positionOf(clientId, key.thumbprint);
    const replayAt = replay && replayKey(clientId, replay.jti);
    const nonceAt = nonce === undefined ? undefined : nonceKey(nonce);
    const { records, replays, nonces } = this.#environment;
    const { decision, wrote } = await this.#writer.run(() => {
      const now = this.#clock.wall();
      const before = records.get(position);
      const isAhead = (end: Buffer | undefined): boolean => end !== undefined && decodeTime(end) > now;
      const decided = decide(
        registration,
        {
          replayed: () => replayAt !== undefined && isAhead(replays.get(replayAt)),
          nonceIsGood: () => nonceAt !== undefined && isAhead(nonces.get(nonceAt)),
          record: () => before && decodeRecord(readEntry(position, before)),
          heldElsewhere: () => this.#isHeldElsewhere(position, now),
          counts: () => {
            const heads = [...this.#entriesOf(clientId)].map(({ value }) => readHead(value));
            return {
              current: heads.filter((head) => isCurrent(head, now)).length,
              tombstones: heads.filter(({ revoked }) => revoked !== undefined).length,
            };
          },
        },
        now,
      );
      if (decided.outcome !== 'created' && decided.outcome !== 'exists')
        return { decision: decided, wrote: false };
      this.#put(position, decided.record, before);
      if (replay !== undefined && replayAt !== undefined)
        this.#putEnd(kinds.replay, replayAt, replay.expiresAt);
      if (nonceAt !== undefined) this.#removeEnd(kinds.nonce, nonceAt);
      this.#countChange();
      return { decision: decided, wrote: true };
    });
    if (wrote) this.#listeners.tell([clientKey(clientId)]);
    return decision;
  }

  async revoke(clientId: string, jkt: string, reason: RevocationReason): Promise<RevokeOutcome | undefined> {
    if (!isThumbprint(jkt)) return undefined;
    const position = positionOf(clientId, jkt);
    const outcome = await this.#writer.run((): RevokeOutcome | undefined => {
      const before = this.#environment.records.get(position);
      if (before === undefined) return undefined;
      const record = decodeRecord(readEntry(position, before));
      if (record.revoked !== undefined) return { outcome: 'already', record };
      const revoked = revokedRecord(record, reason, this.#clock.wall());
      this.#put(position, revoked, before);
      this.#countChange();
      return { outcome: 'revoked', record: revoked };
    });
    if (outcome?.outcome === 'revoked') this.#listeners.tell([clientKey(clientId)]);
    return outcome;
  }

  async get(clientId: string, jkt: string): Promise<RegisteredKey | undefined> {
    if (!isThumbprint(jkt)) return undefined;
    return this.#read(({ records }) => {
      const position = positionOf(clientId, jkt);
      const entry = records.get(position);
      return entry && decodeRecord(readEntry(position, entry));
    });
  }

  async published(clientId: string): Promise<PublishedKeys | undefined> {
    return this.#read(() => {
      const now = this.#clock.wall();
      const entries = [...this.#entriesOf(clientId)];
      if (entries.length === 0) return undefined;
      const current = entries.filter(({ value }) => isCurrent(readHead(value), now));
      return publishedKeys(this.#readable.of(current.map(({ key, value }) => readEntry(key, value))), now);
    });
  }

  async list(options: ListOptions): Promise<Page> {
    const { from, to } = rangeOf(options);
    return this.#read(({ records }) => {
      const range = records.getRange({
        start: from,
        exclusiveStart: true,
        end: to,
        limit: options.limit + 1,
      });
      return pageOf(
        [...range].map(({ key, value }) => readEntry(key, value)),
        options.limit,
        (shown) => this.#readable.of(shown),
      );
    });
  }

  async addNonce(nonce: string, expiresAt: number): Promise<void> {
    const key = nonceKey(nonce);
    await this.#writer.run(() => this.#putEnd(kinds.nonce, key, expiresAt));
  }

  async sweep(): Promise<Swept> {
    const total = { records: 0, replays: 0, nonces: 0 };
    for (;;) {
      // A new transaction for every few, so that registrations do not wait for all.
      const { swept, more } = await this.#writer.run(() => sweepOnce(this.#environment, this.#clock.wall()));
      total.records += swept.records;
      total.replays += swept.replays;
      total.nonces += swept.nonces;
      if (!more) return total;
    }
  }

  onChange(listener: (changes: Changes) => void): () => void {
    return this.#listeners.add(listener);
  }

  async close(): Promise<void> {
    this.#cancelLook();
    this.#writer.close();
    this.#closing ??= this.#environment.root.close().catch(() => undefined);
    await this.#closing;
  }

  #read<T>(task: (environment: Environment) => T): T {
    if (this.#closing !== undefined) throw unavailable('the store is closed');
    try {
      // Else a read may be answered from a snapshot that is older than what another process has acknowledged.
      this.#environment.root.resetReadTxn();
      return task(this.#environment);
    } catch (error) {
      throw error instanceof JwksdError ? error : unavailable('the store cannot read', error);
    }
  }

  #entriesOf(clientId: string): Iterable<{ key: Buffer; value: Buffer }> {
    const { from, to } = rangeOf({ clientId, limit: 1 });
    return this.#environment.records.getRange({ start: from, end: to });
  }

  #isHeldElsewhere(position: Buffer, now: number): boolean {
    const { holders, records } = this.#environment;
    const client = position.subarray(0, 32);
    const start = position.subarray(32);
    const end = Buffer.concat([start, Buffer.alloc(33, 0xff)]);
    for (const key of holders.getKeys({ start, end })) {
      const holder = key.subarray(32);
      if (holder.equals(client)) continue;
      const entry = records.get(Buffer.concat([holder, start]));
      if (entry !== undefined && countsAsHeld(readHead(entry), now)) return true;
    }
    return false;
  }

  #put(position: Buffer, record: RegisteredKey, before: Buffer | undefined): void {
    const { records, holders, ends } = this.#environment;
    if (before === undefined) void holders.put(holderKey(position), nothing);
    else void ends.remove(endKey(readHead(before).expiresAt, kinds.record, position));
    void records.put(position, encodeEntry(record));
    // A tombstone has no end.
    if (record.revoked === undefined)
      void ends.put(endKey(record.expiresAt, kinds.record, position), nothing);
  }

  #putEnd(kind: typeof kinds.replay | typeof kinds.nonce, key: Buffer, end: number): void {
    this.#removeEnd(kind, key);
    void this.#table(kind).put(key, encodeTime(end));
    void this.#environment.ends.put(endKey(end, kind, key), nothing);
  }

  #removeEnd(kind: typeof kinds.replay | typeof kinds.nonce, key: Buffer): void {
    const before = this.#table(kind).get(key);
    if (before === undefined) return;
    void this.#table(kind).remove(key);
    void this.#environment.ends.remove(endKey(decodeTime(before), kind, key));
  }

  #table(kind: typeof kinds.replay | typeof kinds.nonce): Environment['replays'] {
    return kind === kinds.replay ? this.#environment.replays : this.#environment.nonces;
  }

  #readChanges(): number {
    const bytes = this.#environment.meta.get(changesKey);
    return bytes === undefined ? 0 : decodeTime(bytes);
  }

  /** In a transaction: tells other processes, and notices what they told. */
  #countChange(): void {
    const before = this.#readChanges();
    if (before !== this.#changes) queueMicrotask(() => this.#listeners.tell('all'));
    this.#changes = before + 1;
    void this.#environment.meta.put(changesKey, encodeTime(this.#changes));
  }

  #lookLater(): void {
    this.#cancelLook = this.#clock.after(lookEvery, () => {
      this.#lookLater();
      this.#look();
    });
  }

  #look(): void {
    try {
      const changes = this.#read(() => this.#readChanges());
      if (changes === this.#changes) return;
      this.#changes = changes;
    } catch {
      // Not known is as good as changed.
    }
    this.#listeners.tell('all');
  }
}
