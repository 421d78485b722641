import type { Key } from '../jwk/key.ts';
import type { Generation } from './key-cache.ts';
import type { KeyChanges } from './source.ts';

/** The part of a generation that changes are told of. */
export type KeyState = Pick<Generation, 'keys' | 'retiring'>;

/** No change yet. */
export const noChanges: KeyChanges = { added: 0, removed: 0, replaced: 0, retired: 0, returned: 0 };

/** How many keys came, went, or came back from one generation to the next. */
export const changesBetween = (before: KeyState | undefined, after: KeyState): KeyChanges => {
  const had = new Set(before?.keys.map((key) => key.name));
  const has = new Set(after.keys.map((key) => key.name));
  const fresh = after.keys.filter((key) => !had.has(key.name));
  const gone = before?.keys.filter((key) => !has.has(key.name)) ?? [];
  // Of the few that came or went, and not of all: a set may have thousands of keys.
  const freshKids = new Set(fresh.map((key) => key.jwk.kid));
  const goneKids = new Set(gone.map((key) => key.jwk.kid));
  const wasRetiring = new Set(before?.retiring.map(({ key }) => key.name));
  const isRetiring = new Set(after.retiring.map(({ key }) => key.name));
  const isReplacement = ({ jwk }: Key): boolean => jwk.kid !== undefined && goneKids.has(jwk.kid);
  const isReplaced = ({ jwk }: Key): boolean => jwk.kid !== undefined && freshKids.has(jwk.kid);
  return {
    added: fresh.filter((key) => !isReplacement(key)).length,
    removed: gone.filter((key) => !isReplaced(key)).length,
    replaced: fresh.filter(isReplacement).length,
    retired: [...isRetiring].filter((name) => !wasRetiring.has(name)).length,
    returned: [...wasRetiring].filter((name) => has.has(name) && !isRetiring.has(name)).length,
  };
};
