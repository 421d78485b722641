import type { Clock } from '../clock.ts';
import type { Config, FilesConfig, SetConfig, SourceConfig } from '../config/config.ts';
import type { SetSpec } from '../keyring/build.ts';
import { FilesSource } from '../sources/files.ts';
import { KeyCache } from '../sources/key-cache.ts';
import type { Log, Source } from '../sources/source.ts';
import type { ObserveFetch, UpstreamFactory } from './upstreams.ts';

/** First attempts of many upstreams are spread over this many milliseconds; the first is made at once. */
const firstAttemptsWithin = 2000;

/** What the sources of a configuration depend on besides it. */
export interface SourceContext {
  /** False: upstreams are asked only when told to. True unless given. */
  readonly scheduled?: boolean;
  /** The running source of the same upstream or path, whose keys the new one takes over. */
  readonly previousOf?: (source: SourceConfig) => Source | undefined;
}

/** Makes sources from their configuration; what they share (cache, fetch limit) lives here. */
export class SourceFactory {
  readonly cache = new KeyCache();
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #observeFetch: ObserveFetch;
  #upstreams: UpstreamFactory | undefined;

  constructor(clock: Clock, log: Log, observeFetch: ObserveFetch = () => undefined) {
    this.#observeFetch = observeFetch;
    this.#clock = clock;
    this.#log = log;
  }

  /** The sources of a configuration, in its order. */
  async all(config: Config, { scheduled = true, previousOf }: SourceContext = {}): Promise<Source[]> {
    const upstreams = config.sources.filter(({ type }) => type !== 'files').length;
    let started = 0;
    const sources: Source[] = [];
    for (const source of config.sources) {
      if (source.type === 'files') {
        sources.push(this.#files(source, previousOf?.(source)));
      } else {
        const firstDelay = scheduled ? (firstAttemptsWithin * started) / upstreams : Infinity;
        started += 1;
        sources.push(
          (await this.#forUpstreams()).make(source, config.state.dir, firstDelay, previousOf?.(source)),
        );
      }
    }
    return sources;
  }

  #files({ name, path: location, poll, alg, onlyAlg }: FilesConfig, previous: Source | undefined): Source {
    const rsaAlg = alg ?? undefined;
    const options = {
      name,
      path: location,
      poll,
      rsaAlg,
      ...(onlyAlg === true ? { onlyAlg: rsaAlg } : {}),
    };
    const inherit = previous instanceof FilesSource ? () => previous.handOver() : undefined;
    return new FilesSource(options, { clock: this.#clock, log: this.#log, inherit });
  }

  /** Loaded on first use: the HTTP client is a quarter of the program, and a server of files never needs it. */
  async #forUpstreams(): Promise<UpstreamFactory> {
    const { UpstreamFactory: Factory } = await import('./upstreams.ts');
    this.#upstreams ??= new Factory({
      clock: this.#clock,
      log: this.#log,
      cache: this.cache,
      observeFetch: this.#observeFetch,
    });
    return this.#upstreams;
  }
}

/** The sets of a configuration as the keyring wants them. */
export const setSpecs = (sets: readonly SetConfig[]): SetSpec[] => sets.map((set) => ({ ...set }));

/** Where the keys of a source come from: with the same name and address, a changed source is still the same upstream. */
export const sourceAddress = (source: SourceConfig): string => {
  if (source.type === 'files') return source.path;
  return source.type === 'jwks' ? source.url : `${source.issuer} ${source.jwksUri ?? ''}`;
};

/** A source as it was configured: two equal texts need only one source. */
export const sourceIdentity = (source: SourceConfig, config: Config): string =>
  JSON.stringify([source, source.type === 'files' ? null : config.state.dir]);
