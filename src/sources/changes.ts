import type { Key } from '../jwk/key.ts';
import type { Generation } from './key-cache.ts';
import type { KeyChanges } from './source.ts';

/** The part of a generation that changes are told of. */
export type KeyState = Pick<Generation, 'keys' | 'retiring'>;

/** No change yet. */
export const noChanges: KeyChanges = { added: 0, removed: 0, replaced: 0, retired: 0, returned: 0 };

/** How many keys came, went, or came back from one generation to the next; yields after each key. */
export function* changesBetween(
  before: KeyState | undefined,
  after: KeyState,
): Generator<void, KeyChanges, void> {
  const had = yield* namesOf(before?.keys ?? []);
  const has = yield* namesOf(after.keys);
  const fresh = yield* without(after.keys, had);
  const gone = yield* without(before?.keys ?? [], has);
  // Of the few that came or went, and not of all: a set may have thousands of keys.
  const freshKids = new Set(fresh.map((key) => key.jwk.kid));
  const goneKids = new Set(gone.map((key) => key.jwk.kid));
  yield;
  const wasRetiring = yield* namesOf((before?.retiring ?? []).map(({ key }) => key));
  const isRetiring = yield* namesOf(after.retiring.map(({ key }) => key));
  const isReplacement = ({ jwk }: Key): boolean => jwk.kid !== undefined && goneKids.has(jwk.kid);
  const isReplaced = ({ jwk }: Key): boolean => jwk.kid !== undefined && freshKids.has(jwk.kid);
  return {
    added: fresh.filter((key) => !isReplacement(key)).length,
    removed: gone.filter((key) => !isReplaced(key)).length,
    replaced: fresh.filter(isReplacement).length,
    retired: [...isRetiring].filter((name) => !wasRetiring.has(name)).length,
    returned: [...wasRetiring].filter((name) => has.has(name) && !isRetiring.has(name)).length,
  };
}

/** The names of keys; yields after each. */
export function* namesOf(keys: readonly Key[]): Generator<void, ReadonlySet<string>, void> {
  const names = new Set<string>();
  for (const { name } of keys) {
    names.add(name);
    yield;
  }
  return names;
}

function* without(keys: readonly Key[], names: ReadonlySet<string>): Generator<void, Key[], void> {
  const left: Key[] = [];
  for (const key of keys) {
    if (!names.has(key.name)) left.push(key);
    yield;
  }
  return left;
}
