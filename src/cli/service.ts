import type { Config, SourceConfig } from '../config/config.ts';
import { systemClock } from '../clock.ts';
import type { DenyList } from '../keyring/deny-list.ts';
import { Keyring } from '../keyring/keyring.ts';
import { ClockWatch } from '../sources/clock-watch.ts';
import type { Log, Source } from '../sources/source.ts';
import type { ObserveFetch } from './upstreams.ts';
import { setSpecs, sourceAddress, sourceIdentity, SourceFactory } from './sources.ts';

/** The keyring of a running server, and how a new configuration reaches it. */
export class Service {
  readonly keyring: Keyring;
  readonly clockWatch: ClockWatch;
  readonly #factory: SourceFactory;
  readonly #log: Log;
  readonly #denyList: DenyList;
  #sources = new Map<string, Source>();
  #config: Config | undefined;

  constructor(log: Log, denyList: DenyList, observeFetch: ObserveFetch) {
    this.#log = log;
    this.#denyList = denyList;
    this.#factory = new SourceFactory(systemClock, log, observeFetch);
    this.keyring = new Keyring({ clock: systemClock, log, cache: this.#factory.cache, denyList });
    this.clockWatch = new ClockWatch(systemClock, (ms) => this.#clockJumped(ms));
    this.clockWatch.start();
  }

  /** Publishes what `config` says; a source whose configuration did not change keeps its keys and its schedule. */
  async apply(config: Config): Promise<void> {
    const previousOf = (source: SourceConfig): Source | undefined => {
      const before = this.#config?.sources.find(({ name }) => name === source.name);
      if (before === undefined || before.type !== source.type) return undefined;
      if (sourceAddress(before) !== sourceAddress(source) || this.#config === undefined) return undefined;
      return this.#sources.get(sourceIdentity(before, this.#config));
    };
    const made = await this.#factory.all(config, { previousOf });
    const next = new Map<string, Source>();
    for (const [index, source] of config.sources.entries()) {
      const identity = sourceIdentity(source, config);
      const fresh = made[index];
      const instance = this.#sources.get(identity) ?? fresh;
      if (instance !== undefined) next.set(identity, instance);
    }
    this.#log.debug({ sources: next.size, sets: config.sets.length }, 'configuration applied');
    this.#sources = next;
    this.#config = config;
    // Another process on the state directory may have denied keys.
    await this.#denyList.reload();
    await this.keyring.replace({ sources: [...next.values()], sets: setSpecs(config.sets) });
  }

  #clockJumped(ms: number): void {
    this.#log.warn(
      { seconds: Math.round(ms / 1000) },
      'the wall clock was set; every upstream is asked once',
    );
    for (const source of this.#sources.values()) void source.refresh('schedule');
  }

  async close(): Promise<void> {
    this.clockWatch.stop();
    await this.keyring.close();
  }
}
