import type { Answer } from './attempt.ts';
import { freshness, type Freshness, type Headers } from './freshness.ts';

/** How long an answer may be used by its own word, counted from its arrival. */
export interface Lifespan {
  /** Milliseconds of freshness; absent when it did not say. */
  readonly freshFor: number | undefined;
  /** Milliseconds of `stale-if-error`. */
  readonly staleIfErrorFor: number;
}

/** How long the last good answer may be used. */
export class Lifetime {
  #freshness: Freshness = { remaining: undefined, staleIfError: 0 };
  /** Caching headers of the last 200; what a 304 does not repeat still holds (RFC 9111 §4.3.4). */
  #told: Headers = {};

  get lifespan(): Lifespan {
    return { freshFor: this.#freshness.remaining, staleIfErrorFor: this.#freshness.staleIfError };
  }

  /** Takes over what an answer from before this source said. */
  restore({ freshFor, staleIfErrorFor }: Lifespan): void {
    this.#freshness = { remaining: freshFor, staleIfError: staleIfErrorFor };
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
