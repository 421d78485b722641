import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Longest stretch of work between two turns of the event loop, in milliseconds.
 *
 * About what answering eight requests takes, so that a refresh under full load costs a request less than it waits anyway.
 */
const stretch = 0.2;

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
