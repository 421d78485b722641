import type { Clock } from '../clock.ts';
import type { Config, FilesConfig, SetConfig, SourceConfig, UpstreamConfig } from '../config/config.ts';
import type { SetSpec } from '../keyring/build.ts';
import { Discovery, fixedLocator, type Locator } from '../sources/discovery.ts';
import { FilesSource } from '../sources/files.ts';
import { KeyCache } from '../sources/key-cache.ts';
import { createLimiter } from '../sources/limiter.ts';
import type { Log, Source } from '../sources/source.ts';
import { Requester } from '../sources/upstream/attempt.ts';
import { Exchange } from '../sources/upstream/exchange.ts';
import { LastKnownGood } from '../sources/upstream/last-known-good.ts';
import { Memory } from '../sources/upstream/memory.ts';
import { UpstreamSource } from '../sources/upstream/upstream.ts';
import { version } from './version.ts';

/** At most this many fetches are under way in the process. */
const fetchLimit = 8;
/** First attempts of many upstreams are spread over this many milliseconds; the first is made at once. */
const firstAttemptsWithin = 2000;

/** Makes sources from their configuration; what they share (cache, fetch limit) lives here. */
export class SourceFactory {
  readonly cache = new KeyCache();
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #limiter = createLimiter(fetchLimit);

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** The sources of a configuration, in its order. `scheduled: false`: upstreams are asked only when told to. */
  all(config: Config, { scheduled = true }: { scheduled?: boolean } = {}): Source[] {
    const upstreams = config.sources.filter(({ type }) => type !== 'files').length;
    let started = 0;
    return config.sources.map((source) => {
      if (source.type === 'files') return this.#files(source);
      const firstDelay = scheduled ? (firstAttemptsWithin * started) / upstreams : Infinity;
      started += 1;
      return this.#upstream(source, config.state.dir, firstDelay);
    });
  }

  #files({ name, path: location, poll, alg }: FilesConfig): Source {
    const options = { name, path: location, poll, rsaAlg: alg ?? undefined };
    return new FilesSource(options, { clock: this.#clock, log: this.#log });
  }

  #upstream(config: UpstreamConfig, stateDir: string | null, firstDelay: number): Source {
    const clock = this.#clock;
    const log = this.#log;
    const { name, maxKeys, maxBody } = config;
    const requester = new Requester(config, clock, `jwksd/${version}`);
    const configured = config.type === 'jwks' ? config.url : config.issuer;
    const file = stateDir === null ? undefined : new LastKnownGood(stateDir, name, configured);
    const exchange = new Exchange({
      clock,
      requester,
      locator: this.#locator(config, requester),
      limiter: this.#limiter,
      maxBody,
      maxKeys,
    });
    const options = { ...config, origin: withoutSecrets(configured), firstDelay };
    const memory = new Memory(file, { clock, log, source: name, maxKeys });
    return new UpstreamSource(options, {
      clock,
      log,
      slot: this.cache.open(name),
      exchange,
      memory,
      random: Math.random,
    });
  }

  #locator(config: UpstreamConfig, requester: Requester): Locator {
    if (config.type === 'jwks') return fixedLocator(new URL(config.url));
    if (config.jwksUri !== null) return fixedLocator(new URL(config.jwksUri));
    return new Discovery(config.issuer, requester, this.#clock, config.allowInsecureHttp);
  }
}

/** The sets of a configuration as the keyring wants them. */
export const setSpecs = (sets: readonly SetConfig[]): SetSpec[] => sets.map((set) => ({ ...set }));

/** A source as it was configured: two equal texts need only one source. */
export const sourceIdentity = (source: SourceConfig, config: Config): string =>
  JSON.stringify([source, source.type === 'files' ? null : config.state.dir]);

/** A URL fit for logs and status: without user info and query. */
const withoutSecrets = (text: string): string => {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  return `${url.origin}${url.pathname}`;
};
