import NodeCache from 'node-cache';
import type { Key } from '../jwk/key.ts';

/** A key the upstream no longer lists, published until a second success confirms that it is gone. */
export interface RetiringKey {
  readonly key: Key;
  /** Monotonic milliseconds of the first success that lacked it. */
  readonly since: number;
}

/** The last accepted key set of an upstream. Replaced as a whole, never edited. */
export interface Generation {
  /** Where the keys came from: validators are good for this URL only. */
  readonly url: string;
  readonly retiring: readonly RetiringKey[];
  /** What is published: the listed keys in the upstream's order, then the retiring. The same array while no key changes. */
  readonly keys: readonly Key[];
  /** Validators of the body the keys came from. */
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

/** Where one source keeps its accepted generation. */
export interface GenerationSlot {
  get(): Generation | undefined;
  set(generation: Generation): void;
  clear(): void;
}

/**
 * The in-memory key cache: the accepted generation of every upstream, and the names that were asked for in vain.
 *
 * Freshness is decided by the sources, so nothing in here ever expires by itself: a cache that deletes at a TTL is the
 * opposite of one that serves stale keys through an outage.
 */
export class KeyCache {
  // Prefixed keys keep names such as `constructor` and `__proto__` away from the cache's plain object.
  readonly #cache = new NodeCache({ stdTTL: 0, checkperiod: 0, useClones: false, deleteOnExpire: false });
  readonly #negativeNames: string[] = [];
  readonly #negativeLimit: number;
  #opened = 0;

  constructor(negativeLimit = 10_000) {
    this.#negativeLimit = negativeLimit;
  }

  /** A place for the generations of one source; a reloaded source of the same name has another. */
  open(source: string): GenerationSlot {
    this.#opened += 1;
    const key = `generation:${source} ${this.#opened}`;
    return {
      get: () => this.#cache.get<Generation>(key),
      set: (generation) => void this.#cache.set(key, generation),
      clear: () => void this.#cache.del(key),
    };
  }

  /** Whether `name` was asked for in vain and `now` (monotonic milliseconds) is still before that verdict's end. */
  isNegative(name: string, now: number): boolean {
    const until = this.#cache.get<number>(`negative:${name}`);
    return until !== undefined && now < until;
  }

  /** Remembers a name asked for in vain; the oldest of them makes room, a generation never does. */
  addNegative(name: string, until: number): void {
    const key = `negative:${name}`;
    if (!this.#cache.has(key)) {
      if (this.#negativeNames.length >= this.#negativeLimit)
        this.#cache.del(this.#negativeNames.splice(0, 256));
      this.#negativeNames.push(key);
    }
    this.#cache.set(key, until);
  }
}
