import { createHash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { JwksdError } from '../../errors.ts';
import { clientKey } from '../../stores/client-key.ts';
import type { PublishedKeys, RegistrationStore } from '../../stores/store.ts';

/** One client's JWK Set, ready to be sent. */
export interface ClientSet {
  readonly body: Buffer;
  /** Quoted, strong (RFC 9110 §8.8.3). */
  readonly etag: string;
  /** When the first of its keys ends, milliseconds since the epoch; undefined for a set without keys. */
  readonly validUntil: number | undefined;
}

interface Entry {
  readonly set: ClientSet;
  /** When each key of the set ends, in its order, milliseconds since the epoch. */
  readonly ends: readonly number[];
  /** Monotonic milliseconds when it was read from the store. */
  readonly readAt: number;
  /** The denied keys it was made without. */
  readonly denied: ReadonlySet<string>;
  stale: boolean;
}

/** One question to the store, shared by those who ask for the same client. */
interface Reading {
  readonly answer: Promise<ClientSet | undefined>;
  /** The client's keys changed since the question: the answer may be the old state. */
  changed: boolean;
}

/** Bytes that held sets have at most, with what holding one costs. Those asked for least recently go first. */
const maxHeld = 32 * 1024 * 1024;
const entryCost = 512;

/** Milliseconds after which a set is read again although nothing was heard of a change: a bound for lost messages. */
const maxAge = 30_000;

/**
 * Questions to the store at the same time, and how many wait for their turn. Fewer than a store has connections: anybody
 * may ask for any client, and must not keep those who register from the store.
 */
const maxAsking = 6;
const maxWaiting = 1000;

/** What published sets are made of. */
export interface PublishedParts {
  readonly store: RegistrationStore;
  readonly clock: Clock;
  /** Thumbprints of the keys an operator denied. Another set whenever anything changed. */
  readonly denied: () => ReadonlySet<string>;
}

/**
 * The published sets of clients: read from the store when they are asked for, and held until they change.
 *
 * While the store cannot be asked, a set that is held goes on being served, without the keys that ended
 * or were denied meanwhile. Memory is bounded by bytes, because a set of a thousand keys is as large as a thousand of one.
 */
export class PublishedSets {
  readonly #parts: PublishedParts;
  readonly #entries = new Map<string, Entry>();
  readonly #readings = new Map<string, Reading>();
  readonly #unsubscribe: () => void;
  readonly #waiting: (() => void)[] = [];
  #asking = 0;
  #held = 0;

  constructor(parts: PublishedParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.store.onChange((changes) => {
      const names = changes === 'all' ? [...this.#entries.keys(), ...this.#readings.keys()] : changes;
      for (const name of names) this.#changed(name);
    });
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#held;
  }

  /**
   * The set of a client; undefined for one that never registered a key.
   *
   * @throws {JwksdError} `store_unavailable` when the set is not held and the store cannot be asked.
   */
  async get(clientId: string): Promise<ClientSet | undefined> {
    const name = clientKey(clientId);
    const held = this.#entry(name);
    if (held !== undefined && (this.#isFresh(held) || !this.#parts.store.health.ok)) {
      this.#hold(name, held);
      return held.set;
    }
    try {
      return await this.#read(name, clientId);
    } catch (error) {
      if (held === undefined) throw error;
      return held.set;
    }
  }

  /** Stops following the store. */
  close(): void {
    this.#unsubscribe();
  }

  /** What is held of a client and may be shown. */
  #entry(name: string): Entry | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const now = this.#parts.clock.wall();
    const denied = this.#parts.denied();
    if (entry.denied === denied && now < (entry.set.validUntil ?? Infinity)) return entry;
    // A key may have been allowed again or renewed, which only the store can tell; what was denied or ended goes now.
    const { keys } = JSON.parse(entry.set.body.toString()) as { keys: { kid?: string }[] };
    const ended = keys.map((jwk, at) => ({ jwk, expiresAt: entry.ends[at] ?? 0 }));
    return { ...entry, ...render(ended, denied, now), denied, stale: true };
  }

  #changed(name: string): void {
    const entry = this.#entries.get(name);
    if (entry !== undefined) entry.stale = true;
    const reading = this.#readings.get(name);
    if (reading === undefined) return;
    reading.changed = true;
    // Who asks from now on is not content with that answer.
    this.#readings.delete(name);
  }

  #isFresh({ stale, readAt }: Entry): boolean {
    return !stale && this.#parts.clock.now() - readAt < maxAge;
  }

  async #read(name: string, clientId: string): Promise<ClientSet | undefined> {
    const running = this.#readings.get(name);
    if (running !== undefined) return await running.answer;
    const readAt = this.#parts.clock.now();
    const reading: Reading = {
      answer: this.#ask(clientId)
        .then((published) => this.#take(name, published, { readAt, stale: reading.changed }))
        .finally(() => {
          if (this.#readings.get(name) === reading) this.#readings.delete(name);
        }),
      changed: false,
    };
    this.#readings.set(name, reading);
    return await reading.answer;
  }

  async #ask(clientId: string): Promise<PublishedKeys | undefined> {
    if (this.#asking < maxAsking) this.#asking += 1;
    else {
      if (this.#waiting.length >= maxWaiting)
        throw new JwksdError('store_unavailable', 'too many lookups wait for the store of registered keys');
      // Whoever is done hands its place on.
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
    try {
      return await this.#parts.store.published(clientId);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#asking -= 1;
      else next();
    }
  }

  #take(
    name: string,
    published: PublishedKeys | undefined,
    read: { readonly readAt: number; readonly stale: boolean },
  ): ClientSet | undefined {
    if (published === undefined) {
      this.#drop(name);
      return undefined;
    }
    const denied = this.#parts.denied();
    const rendered = render(published.keys, denied, this.#parts.clock.wall());
    this.#hold(name, { ...rendered, denied, ...read });
    return rendered.set;
  }

  #drop(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#held -= costOf(entry);
  }

  /** Holds an entry as the one asked for last. */
  #hold(name: string, entry: Entry): void {
    this.#drop(name);
    this.#entries.set(name, entry);
    this.#held += costOf(entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#held <= maxHeld) return;
      this.#drop(oldest);
    }
  }
}

const costOf = ({ set, ends }: Entry): number => set.body.byteLength + ends.length * 8 + entryCost;

/** A key that may be shown until it ends. */
interface EndingKey {
  readonly jwk: { readonly kid?: string };
  readonly expiresAt: number;
}

/** The set of those keys that neither ended nor are denied. */
const render = (
  keys: readonly EndingKey[],
  denied: ReadonlySet<string>,
  now: number,
): Pick<Entry, 'set' | 'ends'> => {
  // The kid of a registered key is its thumbprint.
  const shown = keys.filter(({ jwk, expiresAt }) => now < expiresAt && !denied.has(jwk.kid ?? ''));
  const ends = shown.map(({ expiresAt }) => expiresAt);
  const body = Buffer.from(JSON.stringify({ keys: shown.map(({ jwk }) => jwk) }));
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
  return { set: { body, etag, validUntil: ends.length === 0 ? undefined : Math.min(...ends) }, ends };
};

/** The set of a client that may show none of its keys. */
export const emptySet: ClientSet = render([], new Set(), 0).set;
