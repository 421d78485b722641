import type { Clock } from '../clock.ts';
import { noChanges } from './changes.ts';
import type { KeyChanges, SourceError, SourceStatus } from './source.ts';

type Told = 'lastSuccess' | 'age' | 'lastError' | 'consecutiveFailures' | 'attempts' | 'keyChanges';

/** What happened to one source so far: the facts its state follows from, and what `/status` tells. */
export class Ledger {
  readonly #clock: Clock;
  readonly #attempts: Record<string, number> = {};
  #succeededAt: number | undefined;
  #succeededWall: number | undefined;
  #lastError: SourceError | undefined;
  #failures = 0;
  #changes: KeyChanges = noChanges;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  get lastError(): SourceError | undefined {
    return this.#lastError;
  }

  /** Milliseconds since the last success; absent before the first. */
  get age(): number | undefined {
    return this.#succeededAt === undefined ? undefined : this.#clock.now() - this.#succeededAt;
  }

  /** Counts a finished attempt by its result code. */
  count(result: string): void {
    this.#attempts[result] = (this.#attempts[result] ?? 0) + 1;
  }

  /** Monotonic milliseconds of the last success; absent before the first. */
  get succeededAt(): number | undefined {
    return this.#succeededAt;
  }

  /** A success of an earlier process or source counts: monotonic milliseconds, and milliseconds since the epoch. */
  restored(succeededAt: number, wall: number): void {
    this.#succeededAt = succeededAt;
    this.#succeededWall = wall;
  }

  /** A success; returns its date in milliseconds since the epoch. */
  succeeded(): number {
    this.#failures = 0;
    this.#succeededAt = this.#clock.now();
    this.#succeededWall = this.#clock.wall();
    return this.#succeededWall;
  }

  failed(error: SourceError): void {
    this.#failures += 1;
    this.#lastError = error;
  }

  /** Adds what changed among the keys. */
  changed(changes: KeyChanges): void {
    const sum = (name: keyof KeyChanges): number => this.#changes[name] + changes[name];
    this.#changes = {
      added: sum('added'),
      removed: sum('removed'),
      replaced: sum('replaced'),
      retired: sum('retired'),
      returned: sum('returned'),
    };
  }

  /** An error of now. */
  error({ code, detail }: { readonly code: string; readonly detail: string }): SourceError {
    return { code, detail, at: this.#clock.wall() };
  }

  status(): Pick<SourceStatus, Told> {
    return {
      lastSuccess: this.#succeededWall,
      age: this.age,
      lastError: this.#lastError,
      consecutiveFailures: this.#failures,
      attempts: { ...this.#attempts },
      keyChanges: this.#changes,
    };
  }
}
