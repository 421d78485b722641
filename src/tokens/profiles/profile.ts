/** What somebody wants in a token, whoever it is for. */
export interface TokenRequest {
  readonly subject?: string | undefined;
  readonly groups: readonly string[];
  /** Seconds until it expires; that of the profile unless given. */
  readonly ttl?: number | undefined;
  readonly issuer?: string | undefined;
  readonly audience: readonly string[];
  /** Opencast event IDs with what may be done with each. */
  readonly events: ReadonlyMap<string, readonly string[]>;
  readonly room?: string | undefined;
  readonly course?: string | undefined;
  readonly instructor: boolean;
  /** Claims of the caller's own, added after those of the profile. */
  readonly claims: ReadonlyMap<string, unknown>;
}

/** What a profile adds of its own accord. */
export interface Minting {
  /** Whole seconds since the epoch. */
  readonly now: number;
  /** A name no other token has. */
  readonly id: string;
}

/** Claims in the order they are written; undefined is left out. */
export type ClaimList = readonly (readonly [name: string, value: unknown])[];

/** What a system expects of the tokens that are made for it. */
export interface TokenProfile {
  readonly name: string;
  /** Seconds until a token expires unless told otherwise. */
  readonly ttl: number;
  /** The algorithms the system takes, the preferred one first; any that fits the key when absent. */
  readonly algorithms?: readonly string[];
  /** Whether the header names the key unless told otherwise. */
  readonly kid: boolean;
  /** What of a request has a meaning here; anything else of this list is refused. */
  readonly reads: readonly ('event' | 'course' | 'room')[];
  /** Claims and header parameters the system's tokens never have; the caller cannot add them. */
  readonly never: readonly string[];
  /** The claims, or one sentence about what is missing. */
  claims(request: TokenRequest, exp: number, minting: Minting): ClaimList | string;
  /** One sentence for who makes such a token; undefined when there is nothing to say. */
  advice?(request: TokenRequest, ttl: number): string | undefined;
}

/** A list as a claim, absent when it is empty. */
export const unlessEmpty = (list: readonly string[]): readonly string[] | undefined =>
  list.length === 0 ? undefined : list;

/** RFC 7519 §4.1.3: one audience is a string, several are a list. */
export const audienceClaim = (audience: readonly string[]): string | readonly string[] | undefined =>
  audience.length === 1 ? audience[0] : unlessEmpty(audience);
