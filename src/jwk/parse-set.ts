import { admitJwk } from './admit.ts';
import type { AdmitOptions, Key, KeyWarning, ParsedSet, Rejection, RejectReason } from './key.ts';

/** The entries of a JWK Set, not yet looked at, or why the body is no JWK Set. */
export type DecodedSet =
  | { readonly ok: true; readonly entries: readonly unknown[] }
  | {
      readonly ok: false;
      readonly code: 'not_utf8' | 'html' | 'not_json' | 'not_jwks';
      /** A sentence for people; holds nothing of the body. */
      readonly detail: string;
    };

/** A JSON text that came as bytes. */
export type DecodedJson = { readonly ok: true; readonly value: unknown } | Extract<DecodedSet, { ok: false }>;

/** Reads a JSON text: UTF-8 without errors, one byte order mark tolerated (RFC 8259 §8.1). */
export const decodeJson = (body: Uint8Array): DecodedJson => {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return { ok: false, code: 'not_utf8', detail: 'the body is not UTF-8' };
  }
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch (error) {
    if (/^\s*</.test(text)) return { ok: false, code: 'html', detail: 'the body is HTML or XML, not JSON' };
    // The message itself quotes the body; only the position may leave.
    const position = error instanceof SyntaxError ? /position \d+/.exec(error.message)?.[0] : undefined;
    return {
      ok: false,
      code: 'not_json',
      detail: position === undefined ? 'the body is not JSON' : `the body is not JSON (${position})`,
    };
  }
};

/** Reads the frame of a JWK Set (RFC 7517 §5): an object with a member `keys` that is an array. */
export const decodeJwkSet = (body: Uint8Array): DecodedSet => {
  const json = decodeJson(body);
  return json.ok ? entriesOf(json.value) : json;
};

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

/** As many rejections and warnings are kept to be read by people; the rest is counted. */
const longestList = 100;

/** Collects what admission yields into a {@link ParsedSet}. */
export class SetCollector {
  readonly #keys: Key[] = [];
  readonly #rejected: Rejection[] = [];
  readonly #counts: Partial<Record<RejectReason, number>> = {};
  readonly #warnings: KeyWarning[] = [];
  readonly #seen = new Set<string>();
  readonly #options: AdmitOptions;

  constructor(options: AdmitOptions) {
    this.#options = options;
  }

  /** Admits one entry; `index` is its position where it has one. */
  add(entry: unknown, index?: number): void {
    const admission = admitJwk(entry, this.#options);
    if (!admission.ok) {
      this.reject(index === undefined ? admission.rejection : { ...admission.rejection, index });
      return;
    }
    for (const warning of admission.warnings) this.warn(warning);
    const { key } = admission;
    const name = `${key.thumbprint} ${key.jwk.kid ?? ''}`;
    if (this.#seen.has(name)) return;
    this.#seen.add(name);
    this.#keys.push(key);
  }

  /** Counts a rejection, or `count` alike ones of which one is told. */
  reject(rejection: Rejection, count = 1): void {
    this.#counts[rejection.reason] = (this.#counts[rejection.reason] ?? 0) + count;
    if (this.#rejected.length < longestList) this.#rejected.push(rejection);
  }

  warn(warning: KeyWarning): void {
    if (this.#warnings.length < longestList) this.#warnings.push(warning);
  }

  finish(): ParsedSet {
    return {
      keys: this.#keys,
      rejected: this.#rejected,
      rejectedCounts: this.#counts,
      warnings: this.#warnings,
    };
  }
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
  const beyond = entries.length - admitted;
  if (beyond > 0) {
    const detail = `${beyond} entries beyond the first ${options.maxKeys} were not read`;
    collector.reject({ reason: 'over_limit', detail, index: admitted }, beyond);
  }
  return collector.finish();
}
