import type { Clock } from '../clock.ts';
import type { KeyCache } from '../sources/key-cache.ts';
import type { Source } from '../sources/source.ts';
import type { DemandResult, KeyName } from './keyring.ts';
import type { PublishedKey, SetSnapshot } from './snapshot.ts';
import { TokenBucket } from './token-bucket.ts';

/** What the demand refresh needs of the keyring. */
export interface DemandParts {
  readonly clock: Clock;
  readonly cache: KeyCache;
  /** Sources by name, as they are now. */
  readonly sources: () => ReadonlyMap<string, Source>;
  /** The set as it is now; absent once it was removed. */
  readonly set: (name: string) => SetSnapshot | undefined;
  /** Resolves when everything the sources hold now is in the current snapshot. */
  readonly settled: () => Promise<void>;
}

/** A refresh under way, and how many requests wait for it now. */
interface Waiting {
  count: number;
  readonly done: Promise<void>;
}

const waitLimit = 1500;
const waiterLimit = 1024;
const negativeFor = 30_000;
const longestName = 1024;

const nameIn = (set: SetSnapshot, { by, value }: KeyName): readonly PublishedKey[] | undefined =>
  (by === 'kid' ? set.byName : set.byDigest).get(value);

/**
 * Finds keys that were published upstream after our last refresh, without letting made-up names reach the upstream.
 *
 * A name is asked for once per 30 s (negative cache), a source is refreshed at most twice at once and then every 30 s
 * (token bucket, failures count too), all waiters of a source share one refresh, and nobody waits longer than 1.5 s.
 */
export class Demand {
  readonly #parts: DemandParts;
  readonly #buckets = new WeakMap<Source, TokenBucket>();
  readonly #waiting = new WeakMap<Source, Waiting>();
  readonly results: Record<DemandResult, number> = {
    found: 0,
    unknown: 0,
    negative: 0,
    throttled: 0,
    timeout: 0,
    overload: 0,
  };

  constructor(parts: DemandParts) {
    this.#parts = parts;
  }

  /** The keys of `name` after at most one refresh; empty when there are none. */
  async find(set: SetSnapshot, name: KeyName): Promise<readonly PublishedKey[]> {
    const { clock, cache } = this.#parts;
    // No admitted key has such a name, and the negative cache must not be filled with long ones.
    if (name.value.length > longestName) return this.#end('unknown');
    const known = this.#look(set.name, name);
    if (known.length > 0) return this.#end('found', known);
    // The validator in the name makes an old verdict worthless as soon as the set changes.
    const question = `${set.name} ${set.document?.identity.etag ?? ''} ${name.by} ${name.value}`;
    if (cache.isNegative(question, clock.now())) return this.#end('negative');
    const refreshes = this.#refreshes(set);
    if (refreshes === 'overload' || refreshes.length === 0)
      return this.#end(refreshes === 'overload' ? refreshes : 'throttled');
    for (const refresh of refreshes) refresh.count += 1;
    const found = await this.#race(set.name, name, refreshes);
    for (const refresh of refreshes) refresh.count -= 1;
    if (found === 'timeout') return this.#end('timeout');
    if (found.length > 0) return this.#end('found', found);
    cache.addNegative(question, clock.now() + negativeFor);
    return this.#end('unknown');
  }

  #end(result: DemandResult, keys: readonly PublishedKey[] = []): readonly PublishedKey[] {
    this.results[result] += 1;
    return keys;
  }

  /** The refreshes to wait for: those under way, and new ones of sources whose bucket allows. */
  #refreshes(set: SetSnapshot): 'overload' | readonly Waiting[] {
    const { clock, sources } = this.#parts;
    const all: Waiting[] = [];
    for (const name of set.sources) {
      const source = sources().get(name);
      if (source === undefined) continue;
      const waiting = this.#waiting.get(source);
      if (waiting !== undefined) {
        all.push(waiting);
        continue;
      }
      const bucket = this.#buckets.get(source) ?? new TokenBucket(2, 30_000, clock.now());
      this.#buckets.set(source, bucket);
      if (bucket.take(clock.now())) all.push(this.#refresh(source));
    }
    if (all.some(({ count }) => count >= waiterLimit)) return 'overload';
    return all;
  }

  #refresh(source: Source): Waiting {
    const done = (async () => {
      try {
        await source.refresh('demand');
        await this.#parts.settled();
      } finally {
        this.#waiting.delete(source);
      }
    })();
    const entry = { count: 0, done };
    this.#waiting.set(source, entry);
    return entry;
  }

  /** What the current snapshot has under the name. */
  #look(set: string, name: KeyName): readonly PublishedKey[] {
    const current = this.#parts.set(set);
    return current === undefined ? [] : (nameIn(current, name) ?? []);
  }

  /** The keys as soon as any refresh brought them; empty when all ended without. */
  async #race(
    set: string,
    name: KeyName,
    refreshes: readonly Waiting[],
  ): Promise<readonly PublishedKey[] | 'timeout'> {
    return await new Promise((resolve) => {
      const cancel = this.#parts.clock.after(waitLimit, () => resolve('timeout'));
      let left = refreshes.length;
      const ended = (): void => {
        left -= 1;
        const found = this.#look(set, name);
        if (found.length === 0 && left > 0) return;
        cancel();
        resolve(found);
      };
      for (const { done } of refreshes) void done.then(ended, ended);
    });
  }
}
