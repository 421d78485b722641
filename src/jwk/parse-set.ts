import { decodeText, parseJsonInSteps, type Undecodable } from './json.ts';
import type { AdmitOptions, ParsedSet } from './key.ts';
import { SetCollector } from './set-collector.ts';

/** The entries of a JWK Set, not yet looked at, or why the body is no JWK Set. */
export type DecodedSet = { readonly ok: true; readonly entries: readonly unknown[] } | Undecodable;

/**
 * Reads the frame of a JWK Set (RFC 7517 §5): an object with a member `keys` that is an array.
 *
 * Yields between its steps: with thousands of keys, parsing the JSON is the longest stretch of all.
 */
export function* decodeJwkSet(body: Uint8Array): Generator<void, DecodedSet, void> {
  const text = decodeText(body);
  if (text === undefined) return { ok: false, code: 'not_utf8', detail: 'the body is not UTF-8' };
  const json = yield* parseJsonInSteps(text);
  return json.ok ? entriesOf(json.value) : json;
}

/** The entries of a value that should be a JWK Set. */
export const entriesOf = (value: unknown): DecodedSet => {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'keys')) {
    return { ok: false, code: 'not_jwks', detail: 'the JSON is not an object with a member "keys"' };
  }
  const { keys } = value as { keys: unknown };
  if (Array.isArray(keys)) return { ok: true, entries: keys as unknown[] };
  return { ok: false, code: 'not_jwks', detail: 'the member "keys" is not an array' };
};

/** How a set is admitted: as its entries are, and how many of them. */
export interface AdmitSetOptions extends AdmitOptions {
  /** Entries beyond this many are not looked at. */
  readonly maxKeys: number;
}

/**
 * Admits the entries of a set, each alone, and yields after each so that the caller can let other work run.
 *
 * Entries beyond `maxKeys` are counted as `over_limit` and told in one rejection, however many they are.
 */
export function* admitEntries(
  entries: readonly unknown[],
  options: AdmitSetOptions,
): Generator<void, ParsedSet, void> {
  const collector = new SetCollector(options);
  const admitted = Math.min(entries.length, options.maxKeys);
  for (let index = 0; index < admitted; index += 1) {
    collector.add(entries[index], index);
    yield;
  }
  collector.overLimit(entries.length - admitted, options.maxKeys, admitted);
  return collector.finish();
}
