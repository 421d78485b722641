/** A few actions at once, then one per interval: full at first, refilled by time alone. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #interval: number;
  #tokens: number;
  #since: number;

  /** `interval` in milliseconds, `now` monotonic milliseconds. */
  constructor(capacity: number, interval: number, now: number) {
    this.#capacity = capacity;
    this.#interval = interval;
    this.#tokens = capacity;
    this.#since = now;
  }

  /** Takes a token if there is one. */
  take(now: number): boolean {
    const gained = Math.floor((now - this.#since) / this.#interval);
    if (gained > 0) {
      this.#tokens = Math.min(this.#capacity, this.#tokens + gained);
      this.#since += gained * this.#interval;
    }
    if (this.#tokens === 0) return false;
    // A full bucket gains nothing, so the next token is counted from when it was first used.
    if (this.#tokens === this.#capacity) this.#since = now;
    this.#tokens -= 1;
    return true;
  }
}
