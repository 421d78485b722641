import { callbackify } from 'node:util';
import type { FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import type { Clock } from '../../../clock.ts';
import { JwksdError } from '../../../errors.ts';
import type { SharedCounters } from '../../../stores/store.ts';

/** Names whose windows are known here at most. Those that came first go first. */
const maxWindows = 5000;

interface Window {
  count: number;
  /** Monotonic milliseconds. */
  readonly endsAt: number;
}

/** What a store of @fastify/rate-limit answers. */
interface Rate {
  readonly current: number;
  readonly ttl: number;
}

/**
 * Counts hits for all replicas, and asks no more than it has to.
 *
 * A name that is beyond its limit is answered from this process until its window ends, so that a flood costs the database
 * nothing. While the database is away each process counts by itself.
 */
export class SharedRate {
  readonly #counters: SharedCounters;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #windows = new Map<string, Window>();

  constructor(counters: SharedCounters, clock: Pick<Clock, 'now'>) {
    this.#counters = counters;
    this.#clock = clock;
  }

  /** Counts one hit of a name that may have `max` in each window. */
  async hit(name: string, windowMs: number, max: number): Promise<Rate> {
    const known = this.#window(name);
    if (known !== undefined && known.count > max) return this.#add(known);
    try {
      const { count, left } = await this.#counters.hit(name, windowMs);
      if (count > max) this.#remember(name, { count, endsAt: this.#clock.now() + left });
      return { current: count, ttl: left };
    } catch (error) {
      if (!(error instanceof JwksdError) || error.code !== 'store_unavailable') throw error;
      const counted = this.#window(name) ?? { count: 0, endsAt: this.#clock.now() + windowMs };
      this.#remember(name, counted);
      return this.#add(counted);
    }
  }

  #add(window: Window): Rate {
    window.count += 1;
    return { current: window.count, ttl: window.endsAt - this.#clock.now() };
  }

  #window(name: string): Window | undefined {
    const window = this.#windows.get(name);
    return window !== undefined && this.#clock.now() < window.endsAt ? window : undefined;
  }

  #remember(name: string, window: Window): void {
    this.#windows.delete(name);
    this.#windows.set(name, window);
    for (const oldest of this.#windows.keys()) {
      if (this.#windows.size <= maxWindows) return;
      this.#windows.delete(oldest);
    }
  }
}

/** A store of @fastify/rate-limit that counts for all replicas. */
export const sharedStore = (
  counters: SharedCounters,
  clock: Pick<Clock, 'now'>,
): FastifyRateLimitStoreCtor => {
  const rate = new SharedRate(counters, clock);
  return class {
    incr(
      name: string,
      callback: (error: Error | null, result?: { current: number; ttl: number }) => void,
      window: number,
      max: number,
    ): void {
      callbackify(async () => await rate.hit(name, window, max))(callback);
    }

    child(): InstanceType<FastifyRateLimitStoreCtor> {
      return this;
    }
  };
};
