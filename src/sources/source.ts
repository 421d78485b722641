import type { BaseLogger } from 'pino';
import type { Key, RejectReason } from '../jwk/key.ts';

/** The part of a pino logger that sources and the keyring use. */
export type Log = Pick<BaseLogger, 'debug' | 'info' | 'warn' | 'error'>;

/** The life of a source's keys; which of them are published and count as ready is told by page "refresh" of docs/operations.md. */
export type SourceState = 'INIT' | 'DOWN' | 'RESTORED' | 'FRESH' | 'STALE' | 'EXPIRED';

/** What the keyring needs of a source: an immutable value, replaced when something a client can see changes. */
export interface SourceSnapshot {
  readonly name: string;
  /** A set that lacks a required source is degraded, and the server is not ready. */
  readonly required: boolean;
  readonly state: SourceState;
  /** Keys to publish, in the source's own order; empty unless `state` is RESTORED, FRESH or STALE. */
  readonly keys: readonly Key[];
}

/** The last failure of a source. */
export interface SourceError {
  /** A fixed code (`http_5xx`, `not_json`, `unreadable` …), fit for a label. */
  readonly code: string;
  /** A sentence for people: no body, no query string, no user info. */
  readonly detail: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Counts of key changes of a source since the start. */
export interface KeyChanges {
  /** New keys. */
  readonly added: number;
  /** Keys withdrawn after their removal was confirmed. */
  readonly removed: number;
  /** A `kid` that names other material than before. */
  readonly replaced: number;
  /** Keys missing for the first time, still published. */
  readonly retired: number;
  /** Retiring keys that were listed again: a provider that flaps. */
  readonly returned: number;
}

/** Everything `/status` and `/metrics` tell of one source. */
export interface SourceStatus {
  readonly name: string;
  readonly type: 'files' | 'jwks' | 'oidc';
  readonly required: boolean;
  readonly state: SourceState;
  /** A path, or a URL without user info and query. */
  readonly origin: string;
  readonly keys: number;
  /** Keys of the last accepted or refused input that were not admitted, counted by reason. */
  readonly rejected: Readonly<Partial<Record<RejectReason, number>>>;
  /** Keys the upstream no longer lists and whose removal is not confirmed yet. */
  readonly retiring: number;
  /** Milliseconds since the epoch; absent before the first success. */
  readonly lastSuccess: number | undefined;
  /** Milliseconds since the last success. */
  readonly age: number | undefined;
  readonly lastError: SourceError | undefined;
  readonly consecutiveFailures: number;
  /** Milliseconds until the next scheduled attempt; absent when none is planned. */
  readonly nextAttemptIn: number | undefined;
  /** Finished attempts by result: `ok`, `not_modified`, or an error code. */
  readonly attempts: Readonly<Record<string, number>>;
  readonly keyChanges: KeyChanges;
  /** Writes of the last-known-good file; absent where nothing is remembered. */
  readonly remembered: { readonly writes: number; readonly errors: number } | undefined;
  /** Sentences about the last input that an operator should read: rejected keys, files kept from before. */
  readonly notes: readonly string[];
}

/** How one refresh ended. */
export type RefreshOutcome =
  { readonly ok: true; readonly changed: boolean } | { readonly ok: false; readonly error: SourceError };

/**
 * Whatever yields a key set. The keyring sees only this.
 *
 * A source never throws and never loses good keys by itself: what it publishes changes only through `current`.
 */
export interface Source {
  readonly name: string;
  readonly current: SourceSnapshot;
  status(): SourceStatus;
  /**
   * Begins the schedule. The listener is told after every replacement of `current`.
   *
   * Resolves when `current` has what can be known without the network.
   */
  start(listener: () => void): Promise<void>;
  /**
   * Takes over once more what its predecessor has found meanwhile; called when it is about to be published.
   *
   * Absent where nothing is taken over, or nothing can be found in between.
   */
  takeOver?(): void;
  /**
   * Loads once more, now. Callers that arrive while a load is under way share it.
   *
   * `demand` is one attempt with `cache-control: no-cache` for a key somebody asked for; `admin` and `schedule` are a
   * whole cycle.
   */
  refresh(cause: 'schedule' | 'demand' | 'admin'): Promise<RefreshOutcome>;
  /** Ends the schedule and any load under way; nothing is published afterwards. */
  close(): Promise<void>;
}
