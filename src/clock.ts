/** Ends a pending timer; calling it twice, or after the timer fired, does nothing. */
export type Cancel = () => void;

/**
 * Time as jwksd sees it, injected so that tests can compress hours.
 *
 * Durations are measured with `now` (monotonic), dates are told with `wall`; no code mixes the two.
 */
export interface Clock {
  /** Milliseconds on a monotonic clock with an arbitrary origin. */
  now(): number;
  /** Milliseconds since the epoch; may jump. */
  wall(): number;
  /** Calls back once after `ms` milliseconds, however large `ms` is. Never keeps the process alive. */
  after(ms: number, callback: () => void): Cancel;
}

/** Node fires a timer of more than 2^31-1 ms at once, so a long one is re-armed at least hourly. */
const longestTimer = 3_600_000;

/** The real clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, callback) {
    const due = performance.now() + ms;
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const left = due - performance.now();
      timer = left > longestTimer ? setTimeout(arm, longestTimer) : setTimeout(callback, Math.max(0, left));
      timer.unref();
    };
    arm();
    return () => clearTimeout(timer);
  },
};
