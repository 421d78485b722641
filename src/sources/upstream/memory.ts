import type { Clock } from '../../clock.ts';
import { admitEntries } from '../../jwk/parse-set.ts';
import type { Generation } from '../key-cache.ts';
import { paced } from '../pace.ts';
import type { Log } from '../source.ts';
import type { LastKnownGood, ToRemember } from './last-known-good.ts';
import type { Lifespan } from './lifetime.ts';

/** Accepted keys and what was said of them. */
export interface Accepted extends Lifespan {
  readonly generation: Generation;
  /** Milliseconds since the epoch of the last success. */
  readonly fetchedAt: number;
}

/** Keys from before this process or this source. */
export interface Restored extends Accepted {
  /** The last success on the monotonic clock of this process, which may lie before its beginning. */
  readonly succeededAt: number;
}

const rewriteEvery = 300_000;
/** A file from the future is believed for an hour: the clock may be what is wrong. */
const futureTrust = 3_600_000;
/** Clocks of two hosts differ a little. */
const skew = 60_000;
/** No write takes this long: a temporary file as old as that is left over from a process that was killed. */
const abandonedAfter = 3_600_000;

/**
 * An upstream's memory beyond the process: reads the last-known-good file once, writes it on change and every 5 minutes.
 *
 * A disk that refuses costs a warning and never a key.
 */
export class Memory {
  readonly #file: LastKnownGood | undefined;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #source: string;
  readonly #maxKeys: number;
  #writing: Promise<void> | undefined;
  #next: ToRemember | undefined;
  #writtenAt = -Infinity;
  #failing = false;
  #writes = 0;
  #errors = 0;

  /** Without a file nothing is remembered. */
  constructor(
    file: LastKnownGood | undefined,
    parts: { readonly clock: Clock; readonly log: Log; readonly source: string; readonly maxKeys: number },
  ) {
    this.#file = file;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#source = parts.source;
    this.#maxKeys = parts.maxKeys;
  }

  /** Writes so far; absent where nothing is remembered. */
  get counts(): { readonly writes: number; readonly errors: number } | undefined {
    return this.#file === undefined ? undefined : { writes: this.#writes, errors: this.#errors };
  }

  /** Keys younger than `maxAge` milliseconds; undefined, with a warning where it is news, when there are none. */
  async load(maxAge: number): Promise<Restored | undefined> {
    if (this.#file === undefined) return undefined;
    const source = this.#source;
    try {
      await this.#file.sweep(this.#clock.wall() - abandonedAfter);
      const found = await this.#file.read();
      if (found === undefined) return undefined;
      const elapsed = this.#clock.wall() - found.fetchedAt;
      const age = elapsed < -skew ? Math.max(0, maxAge - futureTrust) : Math.max(0, elapsed);
      if (age >= maxAge) {
        this.#log.warn({ source }, 'last-known-good keys are older than maxStale and are ignored');
        return undefined;
      }
      const parsed = await paced(admitEntries(found.keys, { origin: 'upstream', maxKeys: this.#maxKeys }));
      if (parsed.keys.length === 0) return undefined;
      const { url, etag, lastModified, fetchedAt, freshFor, staleIfErrorFor } = found;
      const generation = { url, retiring: [], keys: parsed.keys, etag, lastModified };
      return { generation, succeededAt: this.#clock.now() - age, fetchedAt, freshFor, staleIfErrorFor };
    } catch (error) {
      this.#log.warn({ source, err: error }, 'last-known-good keys cannot be used and are ignored');
      return undefined;
    }
  }

  /** Writes in the background, the latest state last. */
  save({ generation, ...rest }: Accepted, changed: boolean): void {
    const file = this.#file;
    if (file === undefined || (!changed && this.#clock.now() - this.#writtenAt < rewriteEvery)) return;
    this.#writtenAt = this.#clock.now();
    // The whole URL, for without its query it names other keys; the file is for this user only.
    const { keys, url, etag, lastModified } = generation;
    // While a slow disk takes one write, newer states replace each other and do not pile up.
    this.#next = { keys, url, etag, lastModified, ...rest };
    this.#writing ??= this.#writeAll(file);
  }

  /** Resolves when the last state asked for is written, or refused by the disk. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(file: LastKnownGood): Promise<void> {
    for (let next = this.#next; next !== undefined; next = this.#next) {
      this.#next = undefined;
      try {
        await file.write(next);
        this.#writes += 1;
        this.#failing = false;
      } catch (error) {
        if (!this.#failing)
          this.#log.warn({ source: this.#source, err: error }, 'last-known-good keys cannot be written');
        this.#failing = true;
        this.#errors += 1;
        this.#writtenAt = -Infinity;
      }
    }
    this.#writing = undefined;
  }
}
