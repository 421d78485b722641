import type { Cancel, Clock } from '../clock.ts';

const lookEvery = 10_000;
/** A smaller step is the ordinary work of a time service. */
const step = 60_000;

/**
 * Notices when the wall clock is set: dates that were computed before are then worth nothing.
 *
 * All durations are monotonic, so a step harms no schedule. It is answered with one call of `jumped` and nothing else.
 */
export class ClockWatch {
  readonly #clock: Clock;
  readonly #jumped: (ms: number) => void;
  #offset: number;
  #jumps = 0;
  #cancel: Cancel = () => undefined;

  constructor(clock: Clock, jumped: (ms: number) => void) {
    this.#clock = clock;
    this.#jumped = jumped;
    this.#offset = clock.wall() - clock.now();
  }

  /** Steps noticed so far. */
  get jumps(): number {
    return this.#jumps;
  }

  start(): void {
    this.#cancel = this.#clock.after(lookEvery, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }

  #look(): void {
    const offset = this.#clock.wall() - this.#clock.now();
    const moved = offset - this.#offset;
    this.#offset = offset;
    if (Math.abs(moved) <= step) return;
    this.#jumps += 1;
    this.#jumped(moved);
  }
}
