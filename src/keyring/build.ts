import { paced } from '../sources/pace.ts';
import type { SourceSnapshot } from '../sources/source.ts';
import { mergeSources } from './merge.ts';
import { refusalOf, type Profile } from './profiles.ts';
import { renderSet, withCopies } from './render.ts';
import type { Readiness, SetSnapshot, Snapshot } from './snapshot.ts';

/** What a set publishes, for whom, and where. */
export interface SetSpec {
  readonly name: string;
  /** Source names, in order of priority. */
  readonly sources: readonly string[];
  readonly profile: Profile;
  /** Milliseconds. */
  readonly maxAge: number;
  /** Paths besides `/sets/{name}/jwks.json`. */
  readonly paths: readonly string[];
  readonly pemPaths: readonly string[];
}

/** Everything a snapshot is made of: the same input gives the same documents. */
export interface BuildInput {
  readonly sets: readonly SetSpec[];
  readonly sources: ReadonlyMap<string, SourceSnapshot>;
  /** Thumbprints of keys that no set may publish. */
  readonly denied: ReadonlySet<string>;
  readonly previous: Snapshot;
  /** Milliseconds since the epoch: the date of documents that differ from the previous ones. */
  readonly wall: number;
}

const publishing: ReadonlySet<string> = new Set(['RESTORED', 'FRESH', 'STALE']);

/** The snapshot of a keyring that has not loaded anything. */
export const emptySnapshot: Snapshot = {
  generation: 0,
  sets: new Map(),
  documents: new Map(),
  pemDirectories: new Map(),
  readiness: { ready: false, reasons: ['no source has been asked yet'], sources: {} },
};

/** What a set was made of, to recognise that it need not be made again. */
const origins = new WeakMap<SetSnapshot, Origin>();

interface Origin {
  readonly spec: SetSpec;
  readonly sources: readonly SourceSnapshot[];
  readonly denied: ReadonlySet<string>;
}

const cacheControl = (spec: SetSpec, missing: readonly string[]): string =>
  missing.length > 0
    ? // Incomplete: nobody should keep it, but it is better than nothing while we are unreachable.
      'public, max-age=5, stale-if-error=86400'
    : `public, max-age=${Math.floor(spec.maxAge / 1000)}, stale-while-revalidate=60, stale-if-error=86400`;

/** Renders all sets; a set whose sources did not change is taken over from the previous snapshot. */
export const buildSnapshot = async (input: BuildInput): Promise<Snapshot> => {
  const { sets, sources, denied, previous, wall } = input;
  const generation = previous.generation + 1;
  const built = new Map<string, SetSnapshot>();
  const documents = new Map<string, SetSnapshot>();
  const pemDirectories = new Map<string, SetSnapshot>();
  for (const spec of sets) {
    const members = spec.sources.map((name) => sources.get(name)).filter((source) => source !== undefined);
    const before = previous.sets.get(spec.name);
    const origin: Origin = { spec, sources: members, denied };
    const reused = before !== undefined && isSame(before, origin);
    const set = reused ? before : await buildSet(origin, { generation, before, wall });
    built.set(spec.name, set);
    for (const path of set.paths) documents.set(path, set);
    for (const path of set.pemPaths) pemDirectories.set(path.replace(/\/$/u, ''), set);
  }
  const readiness = readinessOf([...sources.values()], [...built.values()]);
  return { generation, sets: built, documents, pemDirectories, readiness };
};

const isSame = (set: SetSnapshot, { spec, sources, denied }: Origin): boolean => {
  const origin = origins.get(set);
  return (
    origin !== undefined &&
    origin.spec === spec &&
    origin.denied === denied &&
    origin.sources.length === sources.length &&
    // A change of state alone (FRESH, STALE) changes nothing that a set shows.
    origin.sources.every(
      (source, index) =>
        source.keys === sources[index]?.keys &&
        publishing.has(source.state) === publishing.has(sources[index].state),
    )
  );
};

const buildSet = async (
  origin: Origin,
  at: { readonly generation: number; readonly before: SetSnapshot | undefined; readonly wall: number },
): Promise<SetSnapshot> => {
  const { spec, sources, denied } = origin;
  const { generation, before, wall } = at;
  const { chosen, withheld, ambiguousKids } = await paced(mergeSources(sources, spec.profile, denied));
  const rendered = await paced(renderSet(chosen, before, wall));
  const { identity } = rendered;
  const keys = chosen.map(({ key }) => key);
  const refusal = refusalOf(spec.profile, keys, identity.body.length);
  const servable = keys.length > 0 && refusal === undefined;
  const unchanged = before?.document?.identity.etag === identity.etag;
  const missing = sources
    .filter((source) => source.required && !publishing.has(source.state))
    .map(({ name }) => name);
  const nothing: Pick<SetSnapshot, 'keys' | 'byName' | 'byDigest'> = {
    keys: [],
    byName: new Map(),
    byDigest: new Map(),
  };
  const set: SetSnapshot = {
    name: spec.name,
    generation,
    profile: spec.profile,
    sources: spec.sources,
    paths: [...new Set([`/sets/${spec.name}/jwks.json`, ...spec.paths])],
    pemPaths: spec.pemPaths,
    document: servable ? await withCopies(identity) : undefined,
    refusal,
    lastModified: unchanged ? before.lastModified : dateAfter(before, wall),
    cacheControl: cacheControl(spec, missing),
    missing,
    withheld,
    ambiguousKids,
    ...(servable ? { keys: rendered.keys, byName: rendered.byName, byDigest: rendered.byDigest } : nothing),
  };
  origins.set(set, origin);
  return set;
};

/** The date of new bytes, in whole seconds: later than that of the bytes before, or a client would take them for the same. */
const dateAfter = (before: SetSnapshot | undefined, wall: number): number =>
  Math.max(Math.floor(wall / 1000) * 1000, (before?.lastModified ?? -Infinity) + 1000);

const readinessOf = (sources: readonly SourceSnapshot[], sets: readonly SetSnapshot[]): Readiness => {
  const reasons = sources
    .filter((source) => source.required && !publishing.has(source.state))
    .map(({ name, state }) => `source ${name} is ${state}`);
  // A service without sets, which asks a server about every token, has nothing to load.
  if (sets.length > 0 && sets.every((set) => set.document === undefined))
    reasons.push('no set has keys to publish');
  return {
    ready: reasons.length === 0,
    reasons,
    sources: Object.fromEntries(sources.map(({ name, state }) => [name, state])),
  };
};
