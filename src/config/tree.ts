import type { Origin, Path } from './problem.ts';

/** A configuration before it is judged: maps are `Map`s, so that no name can touch a prototype. */
export type Tree = ReadonlyMap<string, unknown>;

/** One value from the environment or a flag, and the place it goes to. */
export interface Assignment {
  readonly path: Path;
  readonly value: unknown;
  readonly origin: Origin;
}

const key = (path: Path): string => JSON.stringify(path);

/**
 * Remembers where each value came from.
 *
 * A path nobody recorded has the origin of the nearest one above it that somebody did.
 */
export class Origins {
  readonly #entries = new Map<string, Origin>();

  set(path: Path, origin: Origin): void {
    this.#entries.set(key(path), origin);
  }

  /** Records a value that replaces everything below its path. */
  replace(path: Path, origin: Origin): void {
    const below = `${key(path).slice(0, -1)},`;
    for (const entry of this.#entries.keys()) if (entry.startsWith(below)) this.#entries.delete(entry);
    this.set(path, origin);
  }

  get(path: Path): Origin | undefined {
    for (let length = path.length; length > 0; length -= 1) {
      const origin = this.#entries.get(key(path.slice(0, length)));
      if (origin !== undefined) return origin;
    }
    return undefined;
  }
}

/** The value at a path; undefined when there is none. */
export const valueAt = (tree: unknown, path: Path): unknown => {
  let value = tree;
  for (const step of path) value = value instanceof Map ? value.get(step) : undefined;
  return value;
};

/**
 * The tree with one value put in; the given tree stays as it is.
 *
 * Whatever stands in the way (`null`, a scalar) gives way to a map. Copies only the maps on the path, so YAML aliases
 * that share a map stay independent.
 */
const withValue = (tree: unknown, path: Path, value: unknown): unknown => {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  const copy = new Map<unknown, unknown>(tree instanceof Map ? tree : []);
  copy.set(step, withValue(copy.get(step), rest, value));
  return copy;
};

/** Puts the assignments into the tree, later ones over earlier ones, and records their origins. */
export const overlay = (tree: Tree, assignments: readonly Assignment[], origins: Origins): Tree => {
  let result = tree;
  for (const { path, value, origin } of assignments) {
    result = withValue(result, path, value) as Tree;
    origins.replace(path, origin);
  }
  return result;
};
