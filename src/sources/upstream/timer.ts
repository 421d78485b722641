import type { Cancel, Clock } from '../../clock.ts';

/** One alarm that can be set again: setting it replaces what it was set to. */
export class Timer {
  readonly #clock: Clock;
  #cancel: Cancel = () => undefined;
  #due: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds until the alarm; absent when it is not set. */
  get left(): number | undefined {
    return this.#due === undefined ? undefined : Math.max(0, this.#due - this.#clock.now());
  }

  set(ms: number, callback: () => void): void {
    this.#cancel();
    this.#due = this.#clock.now() + ms;
    this.#cancel = this.#clock.after(ms, () => {
      this.#due = undefined;
      callback();
    });
  }

  clear(): void {
    this.#cancel();
    this.#due = undefined;
  }
}

/** Resolves after `ms` milliseconds, or as soon as `signal` aborts. */
export const pause = async (clock: Clock, ms: number, signal: AbortSignal): Promise<void> => {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      cancel();
      // A signal outlives many pauses and must not remember them.
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end, { once: true });
  });
};
