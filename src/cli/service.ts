import type { Config } from '../config/config.ts';
import { systemClock } from '../clock.ts';
import { Keyring } from '../keyring/keyring.ts';
import type { Log, Source } from '../sources/source.ts';
import { setSpecs, sourceIdentity, SourceFactory } from './sources.ts';

/** The keyring of a running server, and how a new configuration reaches it. */
export class Service {
  readonly keyring: Keyring;
  readonly #factory: SourceFactory;
  readonly #log: Log;
  #sources = new Map<string, Source>();

  constructor(log: Log) {
    this.#log = log;
    this.#factory = new SourceFactory(systemClock, log);
    this.keyring = new Keyring({ clock: systemClock, log, cache: this.#factory.cache });
  }

  /** Publishes what `config` says; a source whose configuration did not change keeps its keys and its schedule. */
  async apply(config: Config): Promise<void> {
    const made = await this.#factory.all(config);
    const next = new Map<string, Source>();
    for (const [index, source] of config.sources.entries()) {
      const identity = sourceIdentity(source, config);
      const fresh = made[index];
      const instance = this.#sources.get(identity) ?? fresh;
      if (instance !== undefined) next.set(identity, instance);
    }
    this.#log.debug({ sources: next.size, sets: config.sets.length }, 'configuration applied');
    this.#sources = next;
    await this.keyring.replace({ sources: [...next.values()], sets: setSpecs(config.sets) });
  }

  async close(): Promise<void> {
    await this.keyring.close();
  }
}
