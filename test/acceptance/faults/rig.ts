import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { eventually, startJwksd, temporaryDirectory, type Running } from '../../fakes/jwksd.ts';
import { ok, status as answer, FakeUpstream, type Handler } from '../../fakes/upstream.ts';
import { get } from '../client.ts';

/** What `/status` says of a source, as far as these tests look at it. */
export interface SourceStatus {
  readonly name: string;
  readonly state: string;
  readonly keys: number;
  readonly retiring: number;
  readonly consecutiveFailures: number;
  readonly lastError: { readonly code: string; readonly detail: string } | null;
  readonly nextAttemptIn: number | null;
  readonly rejected: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  readonly attempts: Readonly<Record<string, number>>;
  readonly age: number | null;
}

type Yaml = Readonly<Record<string, unknown>>;

/** One upstream, published as a set of its own name. */
export interface SourceSpec {
  readonly name: string;
  /** Keys of the source's configuration beside the defaults of {@link quick}. */
  readonly source?: Yaml;
  readonly set?: Yaml;
}

/** Between refreshes nothing happens unless a test asks for it. Timeouts are the defaults, so that a slow machine meets none. */
const quick: Yaml = {
  type: 'jwks',
  refreshInterval: '10m',
  refreshMin: '1s',
  refreshMax: '10m',
  removalConfirm: '0s',
};

/** A host of upstreams, whose answers a test decides by the name of the source. */
export class Upstreams {
  readonly server: FakeUpstream;
  readonly #handlers = new Map<string, Handler>();

  private constructor(server: FakeUpstream) {
    this.server = server;
    server.handler = (request, response) => {
      const name = decodeURIComponent(/^\/([^/?]*)/u.exec(request.url ?? '')?.[1] ?? '');
      (this.#handlers.get(name) ?? answer(404))(request, response);
    };
  }

  static async start(): Promise<Upstreams> {
    return new Upstreams(await FakeUpstream.start());
  }

  /** Answers requests for the source `name` like this from now on. */
  set(name: string, handler: Handler): void {
    this.#handlers.set(name, handler);
  }

  /** Answers every source that has no handler of its own, or had one, with `handler`. */
  setAll(names: readonly string[], handler: Handler): void {
    for (const name of names) this.set(name, handler);
  }

  url(name: string): string {
    return this.server.url(`/${name}/jwks.json`).href;
  }

  /** Requests for the source `name` so far. */
  count(name: string): number {
    return this.server.requests.filter(({ url }) => url.startsWith(`/${name}/`)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }
}

/** A configuration with one set per source. JSON is YAML. */
export const configOf = (
  upstreams: Upstreams,
  sources: readonly SourceSpec[],
  stateDir: string | null,
): string =>
  JSON.stringify({
    state: { dir: stateDir },
    sources: Object.fromEntries(
      sources.map(({ name, source }) => [
        name,
        { ...quick, ...(source?.['type'] === 'oidc' ? {} : { url: upstreams.url(name) }), ...source },
      ]),
    ),
    sets: Object.fromEntries(
      sources.map(({ name, set }) => [
        name,
        { sources: [name], paths: [`/${name}/jwks.json`], pem: { paths: [`/${name}/pem`] }, ...set },
      ]),
    ),
  });

/** Reads one running jwksd. */
export class Reader {
  readonly server: Running;

  constructor(server: Running) {
    this.server = server;
  }

  async sources(): Promise<readonly SourceStatus[]> {
    const { text } = await get(`${this.server.opsUrl}/status`);
    return (JSON.parse(text) as { sources: SourceStatus[] }).sources;
  }

  async source(name: string): Promise<SourceStatus> {
    const found = (await this.sources()).find((source) => source.name === name);
    if (found === undefined) throw new Error(`no source ${name}`);
    return found;
  }

  /** The value of one sample by its name and labels as they are written; 0 when there is none. */
  async metric(sample: string): Promise<number> {
    return (await this.metrics()).get(sample) ?? 0;
  }

  async metrics(): Promise<ReadonlyMap<string, number>> {
    const { text } = await get(`${this.server.opsUrl}/metrics`);
    return new Map(
      text
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
    );
  }

  async refresh(name: string): Promise<void> {
    const { status, text } = await get(`${this.server.opsUrl}/sources/${name}/refresh`, { method: 'POST' });
    if (status !== 202) throw new Error(`refresh of ${name}: ${status} ${text}`);
  }

  /** Refreshes and resolves with the status once a whole refresh has ended since the call, well or badly. */
  async refreshed(name: string, ms?: number): Promise<SourceStatus> {
    const good = ({ attempts }: SourceStatus): number =>
      (attempts['ok'] ?? 0) + (attempts['not_modified'] ?? 0);
    const before = await this.source(name);
    await this.refresh(name);
    return await this.until(
      name,
      (source) => good(source) > good(before) || source.consecutiveFailures > before.consecutiveFailures,
      ms,
    );
  }

  /** Refreshes again and again until the source is in `state`: a refresh under way is joined, and its result is old. */
  async driven(name: string, state: string, ms?: number): Promise<SourceStatus> {
    await eventually(async () => {
      const source = await this.refreshed(name);
      if (source.state !== state) throw new Error(`${name} stays ${JSON.stringify(source)}`);
      return true;
    }, ms);
    return await this.source(name);
  }

  /** Waits until the set `name` publishes exactly these kids; a number is the status of one that is not served. */
  async publishes(name: string, kids: readonly string[] | number, ms?: number): Promise<void> {
    await eventually(async () => {
      const found = await this.kids(name);
      if (JSON.stringify(found) !== JSON.stringify(kids)) {
        throw new Error(`${name} publishes ${JSON.stringify(found)}, not ${JSON.stringify(kids)}`);
      }
      return true;
    }, ms);
  }

  /** The status of `name` as soon as it is what `condition` says. */
  async until(
    name: string,
    condition: (source: SourceStatus) => boolean,
    ms?: number,
  ): Promise<SourceStatus> {
    let last: SourceStatus | undefined;
    try {
      return await eventually(async () => {
        last = await this.source(name);
        return condition(last) ? last : undefined;
      }, ms);
    } catch (error) {
      throw new Error(`${name} stays ${JSON.stringify(last)}: ${String(condition)}`, { cause: error });
    }
  }

  /** Waits until every source is in `state`, and every set is published. */
  async all(state: string, ms?: number): Promise<void> {
    await eventually(async () => {
      const { text } = await get(`${this.server.opsUrl}/status`);
      const { sources, sets } = JSON.parse(text) as {
        sources: SourceStatus[];
        sets: { etag: string | null }[];
      };
      const other =
        sources.find((source) => source.state !== state) ?? sets.find(({ etag }) => etag === null);
      if (other !== undefined) throw new Error(`not ${state}: ${JSON.stringify(other)}`);
      return true;
    }, ms);
  }

  /** The kids of the set `name`; its status where it is not served. */
  async kids(name: string): Promise<readonly string[] | number> {
    const { status, text } = await get(`${this.server.url}/sets/${name}/jwks.json`);
    if (status !== 200) return status;
    return (JSON.parse(text) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
  }

  async isReady(): Promise<boolean> {
    return (await get(`${this.server.url}/readyz`)).status === 200;
  }
}

/** Upstreams, and a jwksd that mirrors them. */
export interface Rig extends AsyncDisposable {
  readonly upstreams: Upstreams;
  readonly jwksd: Reader;
  /** Where the configuration lies, and `state` below it. */
  readonly directory: string;
  /** Starts another jwksd on the same configuration. */
  readonly again: () => Promise<Reader>;
}

/** Starts upstreams that all answer `first`, and the built program on a configuration of `sources`. */
export const startRig = async (
  sources: readonly SourceSpec[],
  options: {
    /** What every upstream answers at first. */
    readonly first?: Handler;
    /** Runs before jwksd starts. */
    readonly before?: (upstreams: Upstreams, directory: string) => Promise<void> | void;
    readonly env?: Readonly<Record<string, string>>;
    readonly state?: boolean;
  } = {},
): Promise<Rig> => {
  const { first = ok({ keys: [] }), env = {}, state = true } = options;
  const upstreams = await Upstreams.start();
  const directory = await temporaryDirectory();
  const servers: Running[] = [];
  const dispose = async (): Promise<void> => {
    for (const server of servers) await server[Symbol.asyncDispose]();
    await upstreams[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  };
  try {
    upstreams.setAll(
      sources.map(({ name }) => name),
      first,
    );
    await options.before?.(upstreams, directory.path);
    const file = path.join(directory.path, 'jwksd.yaml');
    await writeFile(file, configOf(upstreams, sources, state ? path.join(directory.path, 'state') : null));
    const again = async (): Promise<Reader> => {
      const server = await startJwksd(['--config', file], { cwd: directory.path, env });
      servers.push(server);
      return new Reader(server);
    };
    return {
      upstreams,
      directory: directory.path,
      jwksd: await again(),
      again,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
};
