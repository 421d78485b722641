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
  #applying: Promise<void> = Promise.resolve();

  constructor(log: Log, denyList: DenyList, observeFetch: ObserveFetch) {
    this.#log = log;
    this.#denyList = denyList;
    this.#factory = new SourceFactory(systemClock, log, observeFetch);
    this.keyring = new Keyring({ clock: systemClock, log, cache: this.#factory.cache, denyList });
    this.clockWatch = new ClockWatch(systemClock, (ms) => this.#clockJumped(ms));
    this.clockWatch.start();
  }

  /**
   * Publishes what `config` says; a source whose configuration did not change keeps its keys and its schedule.
   *
   * One configuration after another. When it rejects, everything is as it was.
   */
  async apply(config: Config): Promise<void> {
    const turn = this.#applying.then(async () => await this.#apply(config));
    this.#applying = turn.catch(() => undefined);
    await turn;
  }

  async #apply(config: Config): Promise<void> {
    // Another process on the state directory may have denied keys. First, because a damaged list ends it all.
    await this.#denyList.reload();
    const made = await this.#factory.all(config, {
      previousOf: (source) => this.#previousOf(source, config),
    });
    const next = new Map<string, Source>();
    for (const [index, source] of config.sources.entries()) {
      const identity = sourceIdentity(source, config);
      const fresh = made[index];
      const instance = this.#sources.get(identity) ?? fresh;
      if (instance !== undefined) next.set(identity, instance);
    }
    await this.keyring.replace({ sources: [...next.values()], sets: setSpecs(config.sets) });
    this.#sources = next;
    this.#config = config;
    this.#log.debug({ sources: next.size, sets: config.sets.length }, 'configuration applied');
  }

  /** The running source of the same upstream or path: that of the same name, else the only one that goes. */
  #previousOf(source: SourceConfig, config: Config): Source | undefined {
    const running = this.#config;
    if (running === undefined) return undefined;
    const alike = running.sources.filter(
      (before) => before.type === source.type && sourceAddress(before) === sourceAddress(source),
    );
    const names = new Set(config.sources.map(({ name }) => name));
    const going = alike.filter(({ name }) => !names.has(name));
    const previous =
      alike.find(({ name }) => name === source.name) ?? (going.length === 1 ? going[0] : undefined);
    return previous === undefined ? undefined : this.#sources.get(sourceIdentity(previous, running));
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
