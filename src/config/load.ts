import path from 'node:path';
import { checkPaths } from './checks/paths.ts';
import { checkProcess } from './checks/process.ts';
import { checkRegistration } from './checks/registration.ts';
import { checkSets } from './checks/sets.ts';
import { checkSources } from './checks/sources.ts';
import { checkValidation } from './checks/validation.ts';
import { complete, type Complete } from './complete.ts';
import type { Config } from './config.ts';
import { configVariable, fromEnvironment } from './environment.ts';
import { fromFlags, type Flags } from './flags.ts';
import { problemAt, type Problem } from './problem.ts';
import { locate, readText, type Location } from './read.ts';
import { resolveConfig } from './resolve.ts';
import { Origins, overlay, valueAt, type Assignment, type Tree } from './tree.ts';
import { validate, type Report } from './validate.ts';
import { parseYaml } from './yaml.ts';

/** Largest configuration file. */
const fileLimit = 1024 * 1024;

/** Where the parts of a configuration come from. */
export interface LoadOptions {
  readonly flags?: Flags | undefined;
  /** `process.env`, or what a test puts in its place. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Base of relative paths that no file gave. */
  readonly cwd: string;
  /** Stands in for /etc/jwksd/jwksd.yaml. */
  readonly systemFile?: string | undefined;
}

/** A configuration that may be used, and what an operator should know of it. */
export interface Loaded {
  readonly ok: true;
  readonly config: Config;
  /** Sentences for the log: insecure options by name, sources nobody publishes. */
  readonly warnings: readonly string[];
  /** The file it came from. */
  readonly file: string;
  /** No file was found: the built-in one was used. */
  readonly builtIn: boolean;
  /** The configuration in the file's own form, complete; for `printConfig`. Holds secrets. */
  readonly document: Complete;
  /** Where each value of `document` came from. */
  readonly origins: Origins;
}

/** A configuration, or every reason there is none. */
export type LoadResult = Loaded | { readonly ok: false; readonly problems: readonly Problem[] };

const fileTree = async (
  location: Location,
): Promise<{ tree: Tree; origins: Origins } | { problems: readonly Problem[] }> => {
  const read = await readText(location.file, fileLimit);
  if (!('failure' in read)) return parseYaml(read.text, location.file);
  const from = location.named === location.file ? '' : ` (from ${location.named})`;
  return { problems: [{ path: '', message: `${location.file}${from} cannot be used: ${read.failure}` }] };
};

/** The names a tree has in one of its maps. */
const namesIn = (tree: Tree, section: string): string[] => {
  const map = valueAt(tree, [section]);
  return map instanceof Map ? [...map.keys()].map(String) : [];
};

/**
 * The built-in file without its source, when something else says what is served.
 *
 * The quickstart is for somebody who said nothing at all; a key pair nobody asked for must not appear beside a real source.
 */
const withoutQuickstart = (tree: Tree, assignments: readonly Assignment[]): Tree => {
  const own = namesIn(tree, 'sources');
  const others = assignments.some(
    ({ path: at }) => (at[0] === 'sources' && !own.includes(String(at[1]))) || at[0] === 'validation',
  );
  return others ? new Map([...tree].filter(([section]) => section !== 'sources')) : tree;
};

/** Flags and variables first, then the file from top to bottom. */
const refused = (problems: readonly Problem[]): LoadResult => ({
  ok: false,
  problems: [...problems].sort((left, right) => (left.line ?? 0) - (right.line ?? 0)),
});

/**
 * Loads the configuration: file, then environment, then flags.
 *
 * Never throws for what a file, a variable or a flag says: all of it comes back as problems, all at once. Reads the
 * file and the files that `…_FILE` variables name, and nothing else: whether a key file exists is the source's matter.
 */
export const loadConfig = async (options: LoadOptions): Promise<LoadResult> => {
  const { flags = {}, env, cwd } = options;
  const location = await locate({
    flag: flags.config,
    environment: env[configVariable],
    cwd,
    system: options.systemFile,
  });
  const problems: Problem[] = [];
  const file = await fileTree(location);
  if ('problems' in file) problems.push(...(file.problems ?? []));
  // Without the file the environment and the flags can still be judged, but hardly the whole.
  const broken = problems.length > 0;
  const { tree, origins } =
    'tree' in file ? file : { tree: new Map<string, unknown>(), origins: new Origins() };

  const given = fromFlags(flags);
  problems.push(...given.problems);
  if (given.services.length > 0 && !location.builtIn && namesIn(tree, 'sources').length > 0) {
    const message = `says what is served, and so does ${location.file}; leave the flag out, or add the source to the file`;
    problems.push({ path: flags.keys === undefined ? '--upstream' : '--keys', message });
  }
  // Flags that contradict something are reported and left out, so that they cause no second problem further down.
  const contradicted = problems.length > 0;
  const services = contradicted ? [] : given.services;
  const environment = await fromEnvironment(env, overlay(tree, services, new Origins()), cwd);
  problems.push(...environment.problems);
  if (broken) return refused(problems);

  // The services come twice: first so that they are in the order of the flags, last because a flag wins.
  const assignments = [...services, ...environment.assignments, ...given.settings, ...services];
  const base = location.builtIn ? withoutQuickstart(tree, assignments) : tree;
  const merged = overlay(base, assignments, origins);
  const reported = new Set<string>();
  const report: Report = (at, message) => {
    const problem = problemAt(at, message, origins.get(at));
    // What was refused already is not judged a second time by what stands in for it.
    if (!reported.has(problem.path)) problems.push(problem);
    reported.add(problem.path);
  };
  const warnings: string[] = [];
  const warn = (text: string): void => void warnings.push(text);

  const bases = { file: location.builtIn ? cwd : path.dirname(location.file), cwd };
  const document = complete(validate(merged, origins, report), origins, bases);
  const sources = namesIn(merged, 'sources');
  const okera = valueAt(merged, ['validation', 'okera']) instanceof Map;
  if (sources.length === 0 && !contradicted && !okera) {
    report(['sources'], 'must hold at least one source; docs/configuration.md shows the types');
  } else if (sources.length > 1 && namesIn(merged, 'sets').length === 0) {
    report(['sets'], `must say which set has which source, because there are several: ${sources.join(', ')}`);
  }
  checkProcess(document, report, warn);
  checkSources(document, report, warn);
  checkSets(document, sources, report, warn);
  checkRegistration(document, sources, report, warn);
  checkValidation(document, report, warn);
  checkPaths(document, report);
  if (problems.length > 0) return refused(problems);
  return {
    ok: true,
    config: resolveConfig(document),
    warnings,
    file: location.file,
    builtIn: location.builtIn,
    document,
    origins,
  };
};
