import type { PublishedKey } from '../keyring/snapshot.ts';

/** Longest request target that is looked at; longer ones are 414. */
export const longestTarget = 8192;

/** A request target, taken apart. */
export interface Target {
  /** Percent-decoded once, slashes as sent. */
  readonly path: string;
  /** `path` with every run of slashes as one: clients that join URLs carelessly send `//`. */
  readonly collapsed: string;
  /** What follows the `?`, as sent. */
  readonly query: string;
}

/** The target taken apart; undefined when its percent-encoding is broken. */
export const parseTarget = (target: string): Target | undefined => {
  // RFC 9112 §3.2.2: a server accepts the absolute form too.
  const origin = target.startsWith('/') ? target : target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/iu, '');
  const end = origin.search(/[?#]/u);
  const encoded = end === -1 ? origin : origin.slice(0, end);
  const query = end === -1 ? '' : origin.slice(end + 1);
  try {
    const path = encoded.includes('%') ? decodeURIComponent(encoded) : encoded;
    return { path, collapsed: path.replaceAll(/\/{2,}/gu, '/'), query };
  } catch {
    return undefined;
  }
};

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

/**
 * The first value of a query parameter in each way it can be meant; empty when it is missing or badly encoded.
 *
 * A `+` is a plus sign first, because key IDs are often base64 (RFC 3986 gives it no other meaning), and a space second,
 * because HTML forms write one so.
 */
export const parameterSpellings = (query: string, name: string): readonly string[] => {
  const prefix = `${name}=`;
  const raw = query
    .split('&')
    .find((pair) => pair.startsWith(prefix))
    ?.slice(prefix.length);
  if (raw === undefined) return [];
  const spellings = raw.includes('+') ? [raw, raw.replaceAll('+', ' ')] : [raw];
  return spellings.map(decoded).filter((value) => value !== undefined);
};

/** What is left of the keys of one name when `?alg=` and `?kty=` are taken into account. */
export const choose = (keys: readonly PublishedKey[], query: string): readonly PublishedKey[] => {
  if (keys.length < 2 || query === '') return keys;
  const [alg] = parameterSpellings(query, 'alg');
  const [kty] = parameterSpellings(query, 'kty');
  return keys.filter(
    ({ key }) => (alg === undefined || key.jwk.alg === alg) && (kty === undefined || key.jwk.kty === kty),
  );
};
