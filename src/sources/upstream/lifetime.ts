import type { Answer } from './attempt.ts';
import { freshness, type Freshness, type Headers } from './freshness.ts';

/** How long the last good answer may be used, by its own word. */
export class Lifetime {
  #freshness: Freshness = { remaining: undefined, staleIfError: 0 };
  /** Caching headers of the last 200; what a 304 does not repeat still holds (RFC 9111 §4.3.4). */
  #told: Headers = {};

  /** Milliseconds of freshness left when the answer arrived; absent when it did not say. */
  get freshFor(): number | undefined {
    return this.#freshness.remaining;
  }

  /** Milliseconds of `stale-if-error`. */
  get staleIfErrorFor(): number {
    return this.#freshness.staleIfError;
  }

  /** Reads a good answer that arrived at `wall` milliseconds since the epoch. */
  read({ status, headers }: Answer, wall: number): void {
    const tells = headers['cache-control'] !== undefined || headers['expires'] !== undefined;
    if (status === 200 || tells) {
      this.#told = { 'cache-control': headers['cache-control'], expires: headers['expires'] };
    }
    this.#freshness = freshness({ ...headers, ...this.#told }, wall);
  }
}
