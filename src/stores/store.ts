import type { BaseLogger } from 'pino';
import type { Key, PublicJwk } from '../jwk/key.ts';

/** Why a registered key was taken back. `deleted` is its client's (or an operator's) DELETE. */
export const revocationReasons = ['compromised', 'superseded', 'unspecified', 'deleted'] as const;

/** One of {@link revocationReasons}. */
export type RevocationReason = (typeof revocationReasons)[number];

/** The end of a registered key: it stays as a tombstone, so that the key cannot come back in any spelling. */
export interface Revocation {
  readonly reason: RevocationReason;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/**
 * A key that a client registered with a proof. (`clientId`, `jkt`) is its identity: the same key of two clients is two
 * of these.
 *
 * All times are milliseconds since the epoch, on the wall clock of the replica that wrote them.
 */
export interface RegisteredKey {
  readonly clientId: string;
  /** RFC 7638 thumbprint of the canonical form, base64url. */
  readonly jkt: string;
  /** The public key in canonical spelling, with `kid` = `jkt`, `use: sig` and the `alg` of the proof. Nothing else. */
  readonly jwk: Readonly<PublicJwk>;
  /** The client's own name for the key. */
  readonly label: string | undefined;
  readonly createdAt: number;
  /** The last proof that was accepted. */
  readonly provedAt: number;
  /** From here on the key is as good as absent, unless it is revoked: a tombstone stays. */
  readonly expiresAt: number;
  /** Present on a tombstone. */
  readonly revoked: Revocation | undefined;
}

/** What a client may have; decided in the same atomic step as the registration. */
export interface Limits {
  /** Keys of one client that are neither expired nor revoked. Tombstones have a limit of their own: ten times this, at least 1,000. */
  readonly maxKeysPerClient: number;
  /**
   * True: a key that another client has, or had until it was compromised, is `in_use`. All replicas must agree on it.
   */
  readonly uniqueAcrossClients: boolean;
}

/** An accepted proof: everything that is written for it, at once or not at all. */
export interface Registration {
  /** Any text: `/`, `..`, NUL and lone surrogates are as good as letters. */
  readonly clientId: string;
  /** Only an admitted key can be stored, so no private member ever is. */
  readonly key: Key;
  /** `alg` of the proof's header, which becomes the key's. */
  readonly alg: string;
  readonly label?: string | undefined;
  /** When the key ends, milliseconds since the epoch. A renewed proof moves it, never to an earlier date. */
  readonly expiresAt: number;
  /** Strict proofs: `jti` is used up for this client until `expiresAt`, the last moment the proof could be accepted. */
  readonly replay?: { readonly jti: string; readonly expiresAt: number } | undefined;
  /** A nonce that `addNonce` was told of; it is used up. */
  readonly nonce?: string | undefined;
  readonly limits: Limits;
}

/**
 * What became of a registration, checked in this order: `replayed`, `nonce_invalid`, `revoked`, `exists`, `in_use`,
 * `too_many`, `created`.
 *
 * Only `created` and `exists` wrote something. Any refusal leaves `jti` and nonce as they were: a proof succeeds at most
 * once, and a proof that did not succeed has used nothing up.
 */
export type RegisterOutcome =
  | { readonly outcome: 'created' | 'exists' | 'revoked'; readonly record: RegisteredKey }
  | { readonly outcome: 'replayed' | 'nonce_invalid' | 'in_use' | 'too_many' };

/** What became of a revocation: `revoked` now, or `already`, with the first reason and date kept. */
export interface RevokeOutcome {
  readonly outcome: 'revoked' | 'already';
  readonly record: RegisteredKey;
}

/** What one client's JWK Set is made of. */
export interface PublishedKeys {
  /** Neither expired nor revoked, ordered by `jkt`. Empty for a client whose keys all ended. */
  readonly keys: readonly RegisteredKey[];
  /** Equal exactly when the published JWKs are equal, at every replica and across restarts: fit for a strong ETag. */
  readonly revision: string;
  /** Until the first of the keys expires; undefined without keys. What was read may be shown no longer than that. */
  readonly validUntil: number | undefined;
}

/** Which keys to list. */
export interface ListOptions {
  /** One client's; absent: those of all clients, for administration. */
  readonly clientId?: string | undefined;
  /** `next` of the page before. */
  readonly after?: string | undefined;
  /** Records at most, 1 to 1,000. */
  readonly limit: number;
}

/**
 * Registered keys, tombstones and expired ones included, in an order that no write changes: a record that is there all
 * the time is on exactly one page, whatever is written meanwhile.
 */
export interface Page {
  readonly records: readonly RegisteredKey[];
  /** Cursor of the next page, URL-safe; absent on the last one. */
  readonly next?: string;
}

/** Whose keys changed, as {@link clientKey} names them; `all` when it is not known whose (a connection was lost). */
export type Changes = readonly string[] | 'all';

/** What is known of a store without asking it: derived from its last answers, so a probe never waits. */
export type StoreHealth =
  { readonly ok: true } | { readonly ok: false; /** A sentence for operators. */ readonly detail: string };

/** Counts hits in fixed windows, one count for all replicas. */
export interface SharedCounters {
  /** Counts one hit; `left` is how many milliseconds the window goes on. Rejects as the store does. */
  hit(name: string, windowMs: number): Promise<{ readonly count: number; readonly left: number }>;
}

/** How much a sweep removed. */
export interface Swept {
  readonly records: number;
  readonly replays: number;
  readonly nonces: number;
}

/**
 * Persistence of registered keys.
 *
 * What every backend promises, and test/stores/conformance.ts checks:
 *
 * - A write that resolved is durable (`memory` excepted) and seen by every later read of this process; other replicas see
 *   it when they read, and are told through `onChange` within two seconds.
 * - A write that rejected did all of its work or none. With a connection lost at the wrong moment it may be all: writing
 *   again is always safe, because every write is put-if-absent.
 * - Concurrent writers, in this process or another one on the same store, are decided one after the other: of fifty
 *   copies of one registration with a `replay` exactly one is `created`.
 * - Nothing is evicted to make room. A store that is full or out of reach rejects, soon, with `store_unavailable`, and
 *   works again when the reason is gone.
 * - Nothing but a bounded cache is held in memory (`memory` excepted): callers cache what they publish, and drop it on
 *   `onChange`.
 *
 * @throws {JwksdError} `store_unavailable` from every method that returns a promise, `close` excepted.
 */
export interface RegistrationStore {
  /** Stores the key of an accepted proof, with its replay entry and nonce, in one atomic step. */
  register(registration: Registration): Promise<RegisterOutcome>;
  /** Turns a key into a tombstone; undefined when this client has no such key. */
  revoke(clientId: string, jkt: string, reason: RevocationReason): Promise<RevokeOutcome | undefined>;
  /** One registered key, tombstone or not; undefined when this client has no such key. */
  get(clientId: string, jkt: string): Promise<RegisteredKey | undefined>;
  /** What to publish for a client; undefined for a client that has no record at all. */
  published(clientId: string): Promise<PublishedKeys | undefined>;
  /** @throws {JwksdError} `bad_request` for a cursor that this list did not give. */
  list(options: ListOptions): Promise<Page>;
  /** Remembers a nonce that was issued, until `expiresAt` or until a registration used it up. */
  addNonce(nonce: string, expiresAt: number): Promise<void>;
  /** Removes what expired: records that are no tombstones, replay entries, nonces. Runs by itself every minute. */
  sweep(): Promise<Swept>;
  /** Calls back after every change, own ones included, until the returned function is called. */
  onChange(listener: (changes: Changes) => void): () => void;
  readonly type: 'memory' | 'lmdb' | 'postgres';
  readonly health: StoreHealth;
  /** When the store last did what it was asked for, milliseconds since the epoch; undefined before the first time. */
  readonly lastOk: number | undefined;
  /** Present where the store is shared by replicas; elsewhere count in the process. */
  readonly counters: SharedCounters | undefined;
  /** Ends connections and timers; what is being written is finished first. Never rejects, and may be called again. */
  close(): Promise<void>;
}

/** What a store tells its operator. */
export type StoreLog = Pick<BaseLogger, 'info' | 'warn'>;
