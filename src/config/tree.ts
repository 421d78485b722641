import type { Origin, Path } from './problem.ts';

/** A configuration before it is judged: maps are `Map`s, so that no name can touch a prototype. */
export type Tree = ReadonlyMap<string, unknown>;

/** One value from the environment or a flag, and the place it goes to. */
export interface Assignment {
  readonly path: Path;
  readonly value: unknown;
  readonly origin: Origin;
}

/** What is recorded of a path, and of the paths below it. */
interface Place {
  origin: Origin | undefined;
  readonly below: Map<Path[number], Place>;
}

const emptyPlace = (): Place => ({ origin: undefined, below: new Map() });

/**
 * Remembers where each value came from.
 *
 * A path nobody recorded has the origin of the nearest one above it that somebody did.
 */
export class Origins {
  readonly #root = emptyPlace();

  set(path: Path, origin: Origin): void {
    this.#place(path).origin = origin;
  }

  /** Records a value that replaces everything below its path. */
  replace(path: Path, origin: Origin): void {
    const place = this.#place(path);
    place.below.clear();
    place.origin = origin;
  }

  get(path: Path): Origin | undefined {
    let nearest: Origin | undefined;
    let place: Place | undefined = this.#root;
    for (const step of path) {
      place = place.below.get(step);
      if (place === undefined) break;
      nearest = place.origin ?? nearest;
    }
    return nearest;
  }

  #place(path: Path): Place {
    let place = this.#root;
    for (const step of path) {
      let next = place.below.get(step);
      if (next === undefined) {
        next = emptyPlace();
        place.below.set(step, next);
      }
      place = next;
    }
    return place;
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
