import type { Clock } from '../clock.ts';
import type { Key } from '../jwk/key.ts';
import type { KeyCache } from '../sources/key-cache.ts';
import type { Log, RefreshOutcome, Source, SourceStatus } from '../sources/source.ts';
import { buildSnapshot, emptySnapshot, type SetSpec } from './build.ts';
import { Demand } from './demand.ts';
import { Departures } from './departures.ts';
import type { DeniedKey, DenyList } from './deny-list.ts';
import type { PublishedKey, SetSnapshot, Snapshot } from './snapshot.ts';

/** A key asked for by a name that the set does not know. */
export type KeyName = { readonly by: 'kid' | 'digest'; readonly value: string };

/** How the bounded refresh for an unknown name ended; also the label of `jwksd_upstream_demand_refresh_total`. */
export type DemandResult = 'found' | 'unknown' | 'negative' | 'throttled' | 'timeout' | 'overload';

/** The state of the service: the current snapshot, and the refreshes that replace it. */
export interface KeyringView {
  readonly current: Snapshot;
  sourceStatuses(): readonly SourceStatus[];
  /** Refreshes a source by name for an administrator; undefined when there is none of that name. */
  refresh(source: string): Promise<RefreshOutcome> | undefined;
  /**
   * Looks for a name that `set` does not have: one shared, rate-limited refresh of its sources, at most 1.5 s.
   *
   * Resolves with the keys of the name, empty when there are none.
   */
  demand(set: SetSnapshot, name: KeyName): Promise<readonly PublishedKey[]>;
  /** The keys a source holds, those an operator denied left out; empty when there is no such source. */
  sourceKeys(source: string): readonly Key[];
  /** Milliseconds since the epoch at which a `kid` left a set; undefined unless this process saw it leave. */
  leftAt(set: string, kid: string): number | undefined;
  /** The keys an operator took out of every set. */
  denied(): readonly DeniedKey[];
  /** Their thumbprints. Another set whenever anything changed. */
  readonly deniedThumbprints: ReadonlySet<string>;
  /** Takes a key out of every set, now and after a restart. Rejects, and changes nothing, when that cannot be stored. */
  deny(thumbprint: string, reason: string): Promise<void>;
  /** Ends a denial. Rejects, and changes nothing, when that cannot be stored. */
  allow(thumbprint: string): Promise<void>;
  /** Demand refreshes so far, by result. */
  readonly demandResults: Readonly<Record<DemandResult, number>>;
}

/** What a keyring publishes, and from where. */
export interface KeyringContent {
  readonly sources: readonly Source[];
  readonly sets: readonly SetSpec[];
}

/** What a keyring works with. */
export interface KeyringParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly cache: KeyCache;
  readonly denyList: DenyList;
}

/** Longest time, in milliseconds, that a reload waits for new sources before it publishes without them. */
const reloadPatience = 10_000;

/**
 * Keeps the current snapshot in step with the sources.
 *
 * Changes that arrive while a snapshot is being built are taken together into the next one. Every source change, and a
 * reload of the configuration, ends in the same single assignment.
 */
export class Keyring implements KeyringView {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #demand: Demand;
  readonly #denyList: DenyList;
  readonly #departures = new Departures();
  #sources = new Map<string, Source>();
  #sets: readonly SetSpec[] = [];
  #current: Snapshot = emptySnapshot;
  #closed = false;
  /** Sources that were started and not closed yet, published or not. */
  readonly #started = new Set<Source>();
  #replacing: Promise<void> = Promise.resolve();
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(parts: KeyringParts) {
    this.#clock = parts.clock;
    this.#denyList = parts.denyList;
    this.#log = parts.log;
    this.#demand = new Demand({
      clock: parts.clock,
      cache: parts.cache,
      sources: () => this.#sources,
      set: (name) => this.#current.sets.get(name),
      settled: async () => await this.settled(),
    });
  }

  get current(): Snapshot {
    return this.#current;
  }

  get demandResults(): Readonly<Record<DemandResult, number>> {
    return this.#demand.results;
  }

  /**
   * Publishes other content: sources that are gone are closed with their keys, new ones are started.
   *
   * Resolves when everything that can be known without the network is published. One replacement follows another;
   * after `close` there is none.
   */
  async replace(content: KeyringContent): Promise<void> {
    const turn = this.#replacing.then(async () => await this.#replace(content));
    this.#replacing = turn.catch(() => undefined);
    await turn;
  }

  async #replace({ sources, sets }: KeyringContent): Promise<void> {
    if (this.#closed) return;
    const kept = new Set(sources);
    const removed = [...this.#sources.values()].filter((source) => !kept.has(source));
    const added = sources.filter((source) => this.#sources.get(source.name) !== source);
    await this.#start(added);
    // While something is published already, it stays until the new sources have had a chance to load.
    if (this.#sources.size > 0) await this.#firstLoads(added);
    for (const source of added) source.takeOver?.();
    this.#sources = new Map(sources.map((source) => [source.name, source]));
    this.#sets = sets;
    await this.settled();
    await Promise.all(removed.map(async (source) => await this.#end(source)));
  }

  async #start(added: readonly Source[]): Promise<void> {
    for (const source of added) this.#started.add(source);
    try {
      await Promise.all(added.map(async (source) => await source.start(() => void this.settled())));
    } catch (error) {
      await Promise.all(added.map(async (source) => await this.#end(source)));
      throw error;
    }
  }

  async #end(source: Source): Promise<void> {
    this.#started.delete(source);
    await source.close();
  }

  sourceStatuses(): readonly SourceStatus[] {
    return [...this.#sources.values()].map((source) => source.status());
  }

  refresh(source: string): Promise<RefreshOutcome> | undefined {
    return this.#sources.get(source)?.refresh('admin');
  }

  async demand(set: SetSnapshot, name: KeyName): Promise<readonly PublishedKey[]> {
    return await this.#demand.find(set, name);
  }

  sourceKeys(source: string): readonly Key[] {
    const keys = this.#sources.get(source)?.current.keys ?? [];
    return keys.filter(({ thumbprint }) => !this.#denyList.thumbprints.has(thumbprint));
  }

  get deniedThumbprints(): ReadonlySet<string> {
    return this.#denyList.thumbprints;
  }

  leftAt(set: string, kid: string): number | undefined {
    return this.#departures.at(set, kid);
  }

  denied(): readonly DeniedKey[] {
    return this.#denyList.list();
  }

  async deny(thumbprint: string, reason: string): Promise<void> {
    await this.#denyList.add(thumbprint, reason, new Date(this.#clock.wall()));
    await this.settled();
  }

  async allow(thumbprint: string): Promise<void> {
    await this.#denyList.remove(thumbprint);
    await this.settled();
  }

  /** Resolves when everything the sources hold at this moment is in `current`. */
  async settled(): Promise<void> {
    // The build under way may have looked at the sources already, so one that starts after it is waited for.
    this.#next ??= this.#buildAfter(this.#running);
    await this.#next;
  }

  /** Ends all sources. What was published stays in `current`. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#started].map(async (source) => await this.#end(source)));
    await this.#replacing;
  }

  async #firstLoads(sources: readonly Source[]): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(reloadPatience, resolve);
      void Promise.all(sources.map(async (source) => await source.refresh('schedule'))).finally(() => {
        cancel();
        resolve();
      });
    });
  }

  async #buildAfter(running: Promise<void> | undefined): Promise<void> {
    await running;
    this.#running = this.#next;
    this.#next = undefined;
    try {
      const previous = this.#current;
      const sources = new Map([...this.#sources].map(([name, source]) => [name, source.current]));
      this.#current = await buildSnapshot({
        sets: this.#sets,
        sources,
        denied: this.#denyList.thumbprints,
        previous,
        wall: this.#clock.wall(),
      });
      this.#announce(previous, this.#current);
    } catch (error) {
      // The snapshot that is current stays current.
      this.#log.error({ err: error }, 'the snapshot could not be built');
    }
  }

  #announce(before: Snapshot, after: Snapshot): void {
    for (const [name, set] of after.sets) {
      const old = before.sets.get(name);
      if (old === set) continue;
      if (old !== undefined) this.#departures.note(old, set, this.#clock.wall());
      const etag = set.document?.identity.etag;
      const what = { set: name, keys: set.keys.length, withheld: set.withheld.length, etag };
      if (set.refusal !== undefined && set.refusal !== old?.refusal)
        this.#log.error(what, `set refused: ${set.refusal}`);
      else if (etag !== old?.document?.identity.etag) this.#log.info(what, 'set published');
    }
    if (before.readiness.ready !== after.readiness.ready) {
      this.#log.info({ reasons: after.readiness.reasons }, after.readiness.ready ? 'ready' : 'not ready');
    }
  }
}
