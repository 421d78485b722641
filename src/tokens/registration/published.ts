import type { Clock } from '../../clock.ts';
import { clientKey } from '../../stores/client-key.ts';
import type { PublishedKeys, RegistrationStore } from '../../stores/store.ts';

/** One client's JWK Set, ready to be sent. */
export interface ClientSet {
  readonly body: Buffer;
  /** Quoted, strong (RFC 9110 §8.8.3). */
  readonly etag: string;
}

interface Entry {
  readonly set: ClientSet;
  /** Milliseconds since the epoch; undefined for a set without keys. */
  readonly validUntil: number | undefined;
  /** Monotonic milliseconds when it was read from the store. */
  readonly readAt: number;
  stale: boolean;
}

/** One question to the store, shared by those who ask for the same client. */
interface Reading {
  readonly answer: Promise<ClientSet | undefined>;
  /** The client's keys changed since the question: the answer may be the old state. */
  changed: boolean;
}

/** Sets that are held at most: some 10 MB. Those asked for least recently go first. */
const maxEntries = 10_000;

/** Milliseconds after which a set is read again although nothing was heard of a change: a bound for lost messages. */
const maxAge = 30_000;

/**
 * The published sets of clients: read from the store when they are asked for, and held until they change.
 *
 * While the store cannot be asked, a set that is held goes on being served, for as long as its keys are valid.
 */
export class PublishedSets {
  readonly #store: RegistrationStore;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #readings = new Map<string, Reading>();
  readonly #unsubscribe: () => void;

  constructor(store: RegistrationStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#unsubscribe = store.onChange((changes) => {
      const names = changes === 'all' ? [...this.#entries.keys(), ...this.#readings.keys()] : changes;
      for (const name of names) this.#changed(name);
    });
  }

  /**
   * The set of a client; undefined for one that never registered a key.
   *
   * @throws {JwksdError} `store_unavailable` when the set is not held and the store cannot be asked.
   */
  async get(clientId: string): Promise<ClientSet | undefined> {
    const name = clientKey(clientId);
    const entry = this.#entries.get(name);
    const held = entry !== undefined && !this.#isOver(entry) ? entry : undefined;
    if (held !== undefined && (this.#isFresh(held) || !this.#store.health.ok)) {
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
    return !stale && this.#clock.now() - readAt < maxAge;
  }

  #isOver({ validUntil }: Entry): boolean {
    return validUntil !== undefined && this.#clock.wall() >= validUntil;
  }

  async #read(name: string, clientId: string): Promise<ClientSet | undefined> {
    const running = this.#readings.get(name);
    if (running !== undefined) return await running.answer;
    const readAt = this.#clock.now();
    const reading: Reading = {
      answer: this.#store
        .published(clientId)
        .then((published) => this.#take(name, published, { readAt, stale: reading.changed }))
        .finally(() => {
          if (this.#readings.get(name) === reading) this.#readings.delete(name);
        }),
      changed: false,
    };
    this.#readings.set(name, reading);
    return await reading.answer;
  }

  #take(
    name: string,
    published: PublishedKeys | undefined,
    read: { readonly readAt: number; readonly stale: boolean },
  ): ClientSet | undefined {
    if (published === undefined) {
      this.#entries.delete(name);
      return undefined;
    }
    const { keys, revision, validUntil } = published;
    const body = Buffer.from(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
    const set = { body, etag: `"${revision}"` };
    this.#hold(name, { set, validUntil, ...read });
    return set;
  }

  /** Holds an entry as the one asked for last. */
  #hold(name: string, entry: Entry): void {
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    if (this.#entries.size <= maxEntries) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
