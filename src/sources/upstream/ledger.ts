import type { Clock } from '../../clock.ts';
import type { ParsedSet } from '../../jwk/key.ts';
import type { SourceError, SourceStatus } from '../source.ts';
import type { Answer } from './attempt.ts';
import type { Failure } from './failure.ts';
import { freshness, type Freshness, type Headers } from './freshness.ts';
import type { StateFacts } from './state.ts';

type Told = 'rejected' | 'lastSuccess' | 'age' | 'lastError' | 'consecutiveFailures' | 'attempts' | 'notes';

/** What happened to one upstream so far: the facts its state follows from, and what `/status` tells. */
export class Ledger {
  readonly #clock: Clock;
  readonly #attempts: Record<string, number> = {};
  #succeededAt: number | undefined;
  #succeededWall: number | undefined;
  #freshness: Freshness = { remaining: undefined, staleIfError: 0 };
  /** Caching headers of the last 200; what a 304 does not repeat still holds (RFC 9111 §4.3.4). */
  #lifetime: Headers = {};
  #restored = false;
  #lastError: SourceError | undefined;
  #parsed: ParsedSet | undefined;
  #failures = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Cycles in a row that failed. */
  get failures(): number {
    return this.#failures;
  }

  get lastError(): SourceError | undefined {
    return this.#lastError;
  }

  /** Milliseconds of freshness the last good answer had left; absent when it did not say. */
  get freshFor(): number | undefined {
    return this.#freshness.remaining;
  }

  facts(hasKeys: boolean): StateFacts {
    return {
      hasKeys,
      restored: this.#restored,
      failures: this.#failures,
      age: this.#clock.now() - (this.#succeededAt ?? 0),
      freshFor: this.#freshness.remaining,
      staleIfErrorFor: this.#freshness.staleIfError,
    };
  }

  /** Counts a finished attempt by its result code. */
  count(result: string): void {
    this.#attempts[result] = (this.#attempts[result] ?? 0) + 1;
  }

  /** Keys were restored that are `age` milliseconds old. */
  restored(age: number, fetchedAt: number): void {
    this.#restored = true;
    this.#succeededAt = this.#clock.now() - age;
    this.#succeededWall = fetchedAt;
  }

  /** A good answer arrived; returns its wall time in milliseconds since the epoch. */
  succeeded(answer: Answer): number {
    this.#failures = 0;
    this.#restored = false;
    this.#succeededAt = this.#clock.now();
    this.#succeededWall = this.#clock.wall();
    const { status, headers } = answer;
    const told = headers['cache-control'] !== undefined || headers['expires'] !== undefined;
    if (status === 200 || told)
      this.#lifetime = { 'cache-control': headers['cache-control'], expires: headers['expires'] };
    this.#freshness = freshness({ ...headers, ...this.#lifetime }, this.#succeededWall);
    return this.#succeededWall;
  }

  /** A cycle failed. */
  failed(error: SourceError): void {
    this.#failures += 1;
    this.#lastError = error;
  }

  /** Remembers what was found in a body; true when other keys were turned away than last time. */
  read(parsed: ParsedSet): boolean {
    const before = JSON.stringify(this.#parsed?.rejectedCounts ?? {});
    this.#parsed = parsed;
    return JSON.stringify(parsed.rejectedCounts) !== before;
  }

  /** Turns a failure into what is told about it. */
  error({ code, detail }: Failure): SourceError {
    return { code, detail, at: this.#clock.wall() };
  }

  status(): Pick<SourceStatus, Told> {
    return {
      rejected: { ...this.#parsed?.rejectedCounts },
      lastSuccess: this.#succeededWall,
      age: this.#succeededAt === undefined ? undefined : this.#clock.now() - this.#succeededAt,
      lastError: this.#lastError,
      consecutiveFailures: this.#failures,
      attempts: { ...this.#attempts },
      notes: this.#parsed === undefined ? [] : notesOf(this.#parsed),
    };
  }
}

/** Sentences about keys that were not admitted or are odd, at most 20. */
export const notesOf = (parsed: ParsedSet): readonly string[] =>
  [...parsed.rejected.map(({ reason, ...rest }) => ({ code: reason, ...rest })), ...parsed.warnings]
    .slice(0, 20)
    .map(({ code, detail, kid }) => `${code}: ${detail}${kid === undefined ? '' : ` (kid ${kid})`}`);
