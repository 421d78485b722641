import { setImmediate as nextTurn } from 'node:timers/promises';

/** Longest stretch of work between two turns of the event loop, in milliseconds: far below what a request notices. */
const stretch = 2;

/**
 * Runs a long pure computation to its end without holding the event loop.
 *
 * The computation says with each `yield` where it may be interrupted; requests are answered in between.
 */
export const paced = async <T>(steps: Iterator<void, T, void>): Promise<T> => {
  let until = performance.now() + stretch;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() >= until) {
      await nextTurn();
      until = performance.now() + stretch;
    }
  }
};
