import type { Clock } from '../../clock.ts';

interface Entry<Value> {
  readonly value: Value;
  /** Monotonic milliseconds. */
  readonly until: number;
}

/** Remembers so many values for a while; those put in first go first. */
export class BoundedCache<Value> {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #maxEntries: number;
  readonly #entries = new Map<string, Entry<Value>>();

  constructor(clock: Pick<Clock, 'now'>, maxEntries: number) {
    this.#clock = clock;
    this.#maxEntries = maxEntries;
  }

  get(name: string): Value | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    if (entry.until > this.#clock.now()) return entry.value;
    this.#entries.delete(name);
    return undefined;
  }

  /** Keeps a value for `ms` milliseconds; not at all for none. */
  set(name: string, value: Value, ms: number): void {
    if (!(ms > 0)) return;
    this.#entries.delete(name);
    this.#entries.set(name, { value, until: this.#clock.now() + ms });
    if (this.#entries.size <= this.#maxEntries) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** Milliseconds from `now` (epoch) to `exp` (seconds since the epoch); without a bound for a token without one. */
export const millisecondsTo = (exp: unknown, now: number): number =>
  typeof exp === 'number' ? exp * 1000 - now : Infinity;
