/** Header values by lower-case name, as undici gives them: a repeated header is a list. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** What the caching headers of a good answer say (RFC 9111 §4.2, §5.2). */
export interface Freshness {
  /** Milliseconds the answer stays fresh from now; 0 when it must be asked again; absent when no usable header says. */
  readonly remaining: number | undefined;
  /** Milliseconds of `stale-if-error` (RFC 5861 §4), 0 where none is given or `must-revalidate` forbids it. */
  readonly staleIfError: number;
}

/** All values of a header as one list text, empty when it is absent. */
export const headerText = (headers: Headers, name: string): string => {
  const value = headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
};

/** Delta-seconds, tolerant of quotes; absent for anything else. Caps where RFC 9111 §1.2.2 lets a cache cap. */
const seconds = (text: string | undefined): number | undefined => {
  const digits = /^"?(\d+)"?$/u.exec(text?.trim() ?? '')?.[1];
  return digits === undefined ? undefined : Math.min(Number(digits), 2 ** 31) * 1000;
};

const directives = (text: string): Map<string, string | undefined> => {
  const found = new Map<string, string | undefined>();
  for (const part of text.split(',')) {
    const [name = '', value] = part.split('=', 2);
    const key = name.trim().toLowerCase();
    // The first of a repeated directive counts (RFC 9111 §4.2.1).
    if (key !== '' && !found.has(key)) found.set(key, value);
  }
  return found;
};

/** Freshness left by `Expires`; an unreadable date means "already expired" (RFC 9111 §5.3). */
const byExpires = (headers: Headers, wall: number): number | undefined => {
  const expires = headers['expires'];
  if (expires === undefined) return undefined;
  const at = Date.parse(Array.isArray(expires) ? (expires[0] ?? '') : expires);
  if (Number.isNaN(at)) return 0;
  const date = Date.parse(headerText(headers, 'date'));
  return at - (Number.isNaN(date) ? wall : date);
};

/** Reads the caching headers of a 200 or 304 that arrived at `wall` milliseconds since the epoch. */
export const freshness = (headers: Headers, wall: number): Freshness => {
  const control = directives(headerText(headers, 'cache-control'));
  const staleIfError =
    control.has('must-revalidate') || control.has('proxy-revalidate')
      ? 0
      : (seconds(control.get('stale-if-error')) ?? 0);
  if (control.has('no-cache') || control.has('no-store')) return { remaining: 0, staleIfError };
  const lifetime =
    seconds(control.get('s-maxage')) ?? seconds(control.get('max-age')) ?? byExpires(headers, wall);
  if (lifetime === undefined) return { remaining: undefined, staleIfError };
  const age = seconds(headerText(headers, 'age').split(',')[0]) ?? 0;
  return { remaining: Math.max(0, lifetime - age), staleIfError };
};

/** `Retry-After` as milliseconds from `wall`: seconds or a date, kept within [1 s, 15 min]; absent when unusable. */
export const retryAfter = (headers: Headers, wall: number): number | undefined => {
  const text = headerText(headers, 'retry-after').trim();
  if (text === '') return undefined;
  const wait = seconds(text) ?? Date.parse(text) - wall;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 1000), 900_000);
};
