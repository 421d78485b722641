import type { Clock } from '../clock.ts';
import { clientKey } from './client-key.ts';
import { pageOf, positionOf, rangeOf } from './cursor.ts';
import { countsAsHeld, decide } from './decide.ts';
import { Listeners } from './listeners.ts';
import { publishedKeys } from './published.ts';
import { isCurrent, isLapsed, revokedRecord } from './record.ts';
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
  Swept,
} from './store.ts';
import { unavailable } from './unavailable.ts';

/** How much a memory store holds. */
export interface MemoryOptions {
  /** Records at most; and as many replay entries, and as many nonces. */
  readonly maxRecords: number;
}

/** A store that ends with the process: for trying things out, and for tests of what lies above a store. */
export class MemoryStore implements RegistrationStore {
  readonly type = 'memory';
  readonly counters = undefined;
  readonly health: StoreHealth = { ok: true };
  lastOk: number | undefined;
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #listeners = new Listeners();
  /** By client key, then by `jkt`. */
  readonly #clients = new Map<string, Map<string, RegisteredKey>>();
  /** Clients by `jkt`. */
  readonly #holders = new Map<string, Set<string>>();
  readonly #replays = new Map<string, number>();
  readonly #nonces = new Map<string, number>();
  #records = 0;
  #closed = false;

  constructor({ maxRecords }: MemoryOptions, clock: Clock) {
    this.#clock = clock;
    this.#limit = maxRecords;
  }

  async register(registration: Registration): Promise<RegisterOutcome> {
    this.#check();
    const now = this.#clock.wall();
    const { clientId, key, replay, nonce } = registration;
    const client = clientKey(clientId);
    const jti = replay && `${client}${replay.jti}`;
    const isAhead = (end: number | undefined): boolean => end !== undefined && end > now;
    const own = this.#clients.get(client);
    const decision = decide(
      registration,
      {
        replayed: () => jti !== undefined && isAhead(this.#replays.get(jti)),
        nonceIsGood: () => nonce !== undefined && isAhead(this.#nonces.get(nonce)),
        record: () => own?.get(key.thumbprint),
        heldElsewhere: () => this.#isHeldElsewhere(key.thumbprint, client, now),
        counts: () => {
          const records = [...(own?.values() ?? [])];
          return {
            current: records.filter((record) => isCurrent(record, now)).length,
            tombstones: records.filter(({ revoked }) => revoked !== undefined).length,
          };
        },
      },
      now,
    );
    if (decision.outcome !== 'created' && decision.outcome !== 'exists') return decision;
    // All room is made sure of before anything is written.
    if (own?.has(key.thumbprint) !== true) this.#makeRoom(() => this.#records);
    if (jti !== undefined && !this.#replays.has(jti)) this.#makeRoom(() => this.#replays.size);
    this.#put(client, decision.record);
    if (jti !== undefined && replay !== undefined) this.#replays.set(jti, replay.expiresAt);
    if (nonce !== undefined) this.#nonces.delete(nonce);
    this.#listeners.tell([client]);
    return decision;
  }

  async revoke(clientId: string, jkt: string, reason: RevocationReason): Promise<RevokeOutcome | undefined> {
    const record = await this.get(clientId, jkt);
    if (record === undefined) return undefined;
    if (record.revoked !== undefined) return { outcome: 'already', record };
    const revoked = revokedRecord(record, reason, this.#clock.wall());
    this.#put(clientKey(clientId), revoked);
    this.#listeners.tell([clientKey(clientId)]);
    return { outcome: 'revoked', record: revoked };
  }

  async get(clientId: string, jkt: string): Promise<RegisteredKey | undefined> {
    this.#check();
    return this.#clients.get(clientKey(clientId))?.get(jkt);
  }

  async published(clientId: string): Promise<PublishedKeys | undefined> {
    this.#check();
    const own = this.#clients.get(clientKey(clientId));
    return own && publishedKeys(recordsOf(inOrder(own.values())), this.#clock.wall());
  }

  async list(options: ListOptions): Promise<Page> {
    this.#check();
    const { from, to } = rangeOf(options);
    const all: RegisteredKey[] = [];
    for (const [client, own] of this.#clients)
      if (options.clientId === undefined || client === clientKey(options.clientId)) all.push(...own.values());
    const found = inOrder(all).filter(
      ({ position }) => position.compare(from) > 0 && position.compare(to) < 0,
    );
    return pageOf(found, options.limit, recordsOf);
  }

  async addNonce(nonce: string, expiresAt: number): Promise<void> {
    this.#check();
    this.#makeRoom(() => this.#nonces.size);
    this.#nonces.set(nonce, expiresAt);
  }

  async sweep(): Promise<Swept> {
    this.#check();
    return this.#sweep();
  }

  onChange(listener: (changes: Changes) => void): () => void {
    return this.#listeners.add(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #check(): void {
    if (this.#closed) throw unavailable('the store is closed');
    this.lastOk = this.#clock.wall();
  }

  #put(client: string, record: RegisteredKey): void {
    const own = this.#clients.get(client) ?? new Map<string, RegisteredKey>();
    if (!own.has(record.jkt)) this.#records += 1;
    own.set(record.jkt, record);
    this.#clients.set(client, own);
    const holders = this.#holders.get(record.jkt) ?? new Set<string>();
    this.#holders.set(record.jkt, holders.add(client));
  }

  #isHeldElsewhere(jkt: string, client: string, now: number): boolean {
    return [...(this.#holders.get(jkt) ?? [])].some((holder) => {
      const record = this.#clients.get(holder)?.get(jkt);
      return holder !== client && record !== undefined && countsAsHeld(record, now);
    });
  }

  /** What expired may make room; nothing else does. */
  #makeRoom(count: () => number): void {
    if (count() >= this.#limit) this.#sweep();
    if (count() >= this.#limit) throw unavailable(`the store in memory is full (${this.#limit} entries)`);
  }

  #sweep(): Swept {
    const now = this.#clock.wall();
    const before = { records: this.#records, replays: this.#replays.size, nonces: this.#nonces.size };
    for (const [client, own] of this.#clients) {
      for (const [jkt, record] of own) {
        if (!isLapsed(record, now)) continue;
        own.delete(jkt);
        this.#records -= 1;
        const holders = this.#holders.get(jkt);
        holders?.delete(client);
        if (holders?.size === 0) this.#holders.delete(jkt);
      }
      if (own.size === 0) this.#clients.delete(client);
    }
    for (const ends of [this.#replays, this.#nonces])
      for (const [name, end] of ends) if (end <= now) ends.delete(name);
    return {
      records: before.records - this.#records,
      replays: before.replays - this.#replays.size,
      nonces: before.nonces - this.#nonces.size,
    };
  }
}

interface Positioned {
  readonly record: RegisteredKey;
  readonly position: Buffer;
}

const inOrder = (records: Iterable<RegisteredKey>): readonly Positioned[] =>
  [...records]
    .map((record) => ({ record, position: positionOf(record.clientId, record.jkt) }))
    .sort((a, b) => a.position.compare(b.position));

const recordsOf = (positioned: readonly Positioned[]): readonly RegisteredKey[] =>
  positioned.map(({ record }) => record);
