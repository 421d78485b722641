import path from 'node:path';
import type { Clock } from '../clock.ts';
import type { UpstreamConfig } from '../config/config.ts';
import { Discovery, fixedLocator, type Locator } from '../sources/discovery.ts';
import type { KeyCache } from '../sources/key-cache.ts';
import { createLimiter, type Limiter } from '../sources/limiter.ts';
import type { Log, Source } from '../sources/source.ts';
import { Requester } from '../sources/upstream/attempt.ts';
import { Exchange } from '../sources/upstream/exchange.ts';
import { LastKnownGood } from '../sources/upstream/last-known-good.ts';
import { Memory } from '../sources/upstream/memory.ts';
import { UpstreamSource } from '../sources/upstream/upstream.ts';
import { withoutSecrets } from '../sources/without-secrets.ts';
import { version } from './version.ts';

/** At most this many fetches are under way in the process. */
const fetchLimit = 8;

/** Told of every fetch: the source's name and seconds. */
export type ObserveFetch = (source: string, seconds: number) => void;

/** What all upstreams of a process share. */
export interface UpstreamFactoryParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly cache: KeyCache;
  readonly observeFetch: ObserveFetch;
}

/** Makes the upstreams of a process, which share the cache and the fetch limit. */
export class UpstreamFactory {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #cache: KeyCache;
  readonly #limiter: Limiter;
  readonly #observeFetch: ObserveFetch;

  constructor(parts: UpstreamFactoryParts) {
    this.#observeFetch = parts.observeFetch;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#cache = parts.cache;
    this.#limiter = createLimiter(fetchLimit, parts.clock);
  }

  /** An upstream as configured; its first attempt is made after `firstDelay` milliseconds; it takes over what `previous` holds. */
  make(config: UpstreamConfig, stateDir: string | null, firstDelay: number, previous?: Source): Source {
    const clock = this.#clock;
    const log = this.#log;
    const { name, maxKeys, maxBody } = config;
    const requester = new Requester({ ...config, ownOrigins: ownOrigins(config) }, clock, `jwksd/${version}`);
    const configured = config.type === 'jwks' ? config.url : config.issuer;
    const file =
      stateDir === null ? undefined : new LastKnownGood(path.join(stateDir, 'upstreams'), name, configured);
    const exchange = new Exchange({
      clock,
      requester,
      locator: this.#locator(config),
      limiter: this.#limiter,
      maxBody,
      maxKeys,
      observe: (ms) => this.#observeFetch(name, ms / 1000),
    });
    const options = { ...config, origin: withoutSecrets(configured), firstDelay };
    const memory = new Memory(file, { clock, log, source: name, maxKeys });
    return new UpstreamSource(options, {
      clock,
      log,
      slot: this.#cache.open(name),
      exchange,
      memory,
      random: Math.random,
      inherit: previous instanceof UpstreamSource ? () => previous.handOver() : undefined,
    });
  }

  #locator(config: UpstreamConfig): Locator {
    if (config.type === 'jwks') return fixedLocator(new URL(config.url));
    if (config.jwksUri !== null) return fixedLocator(new URL(config.jwksUri));
    const { issuer, allowInsecureHttp, name } = config;
    return new Discovery({ issuer, allowInsecureHttp, source: name, clock: this.#clock, log: this.#log });
  }
}

/** Where the configuration itself says the upstream is: a host that only its documents name gets no secret of ours. */
const ownOrigins = (config: UpstreamConfig): readonly string[] =>
  [config.type === 'jwks' ? config.url : config.issuer, config.type === 'oidc' ? config.jwksUri : null]
    .filter((url) => url !== null)
    .map((url) => new URL(url).origin);
