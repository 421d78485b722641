import { createHash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Key } from '../../jwk/key.ts';
import { judgeTimes } from '../times.ts';
import { BoundedCache, millisecondsTo } from './bounded-cache.ts';
import type { Issuer, SignedBy } from './issuers.ts';
import { Tally } from './tally.ts';

interface Entry {
  readonly signed: SignedBy;
  /** What the issuer's keys were when the signature was verified. */
  readonly keys: readonly Key[];
}

/** How many verified tokens are remembered, and for how long. */
export interface VerifiedTokensOptions {
  readonly maxEntries: number;
  /** Milliseconds. */
  readonly ttl: number;
}

/**
 * Tokens whose signature was verified, so that the same token is not verified twice.
 *
 * The name of an entry is the SHA-256 of the token; the token itself is not kept. An entry ends with `exp`, and as soon
 * as the keys of its issuer are others than those it was verified with. Dates are judged anew each time; policy and groups
 * are no part of it.
 */
export class VerifiedTokens {
  readonly #clock: Clock;
  readonly #ttl: number;
  readonly #known: BoundedCache<Entry>;
  readonly #results = new Tally();

  constructor({ maxEntries, ttl }: VerifiedTokensOptions, clock: Clock) {
    this.#clock = clock;
    this.#ttl = ttl;
    this.#known = new BoundedCache(clock, maxEntries);
  }

  /** Questions by result: `hit`, `miss`. */
  get results(): Readonly<Record<string, number>> {
    return this.#results.counts;
  }

  get(token: string): SignedBy | undefined {
    const entry = this.#known.get(nameOf(token));
    const good = entry !== undefined && this.#isGood(entry);
    this.#results.bump(good ? 'hit' : 'miss');
    return good ? entry.signed : undefined;
  }

  /** Remembers a token that was verified with one of `keys`, which are all the keys its issuer had then. */
  add(token: string, signed: SignedBy, keys: readonly Key[]): void {
    const left = millisecondsTo(signed.claims['exp'], this.#clock.wall());
    this.#known.set(nameOf(token), { signed, keys }, Math.min(this.#ttl, left));
  }

  #isGood({ signed, keys }: Entry): boolean {
    const { issuer, claims } = signed;
    // The clock of the cache is monotonic; the other one may have been set since.
    return issuer.keys() === keys && isInTime(claims, issuer, this.#clock.wall());
  }
}

/** Without the skew: what is past `exp` is verified again. */
const isInTime = (claims: SignedBy['claims'], { allowNoExp }: Issuer, wall: number): boolean =>
  judgeTimes(claims, { now: wall / 1000, clockSkew: 0, allowNoExp }) === undefined;

const nameOf = (token: string): string => createHash('sha256').update(token).digest('base64url');
