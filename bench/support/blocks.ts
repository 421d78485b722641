import { monitorEventLoopDelay } from 'node:perf_hooks';

/** The longest time the event loop was held, in milliseconds, told by two probes that have nothing in common. */
export interface Blocks {
  /** Between two turns of a `setImmediate` chain. */
  readonly gap: number;
  /** A timer of 1 ms, late by so much (`monitorEventLoopDelay`). */
  readonly delay: number;
}

/** Watches the event loop from now on; `read` gives the longest block since the last reading. */
export const watchBlocks = (): { read(): Blocks } => {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  let longest = 0;
  let last = performance.now();
  const turn = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    setImmediate(turn).unref();
  };
  turn();
  return {
    read: () => {
      const now = performance.now();
      const blocks = { gap: Math.max(longest, now - last), delay: Math.max(0, histogram.max / 1e6 - 1) };
      longest = 0;
      last = now;
      histogram.reset();
      return blocks;
    },
  };
};
