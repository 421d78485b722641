import { openSync, readSync } from 'node:fs';

// Loaded into a server with --import: answers each message with the stretches, in milliseconds, for which its event loop
// was held since the message before. Time in which the thread was ready and had no core is taken off where the system
// tells it (schedstat), so that other work on the machine changes little.

const shortest = 0.35;

const openWaits = (): (() => number) => {
  try {
    const file = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
    const buffer = Buffer.alloc(64);
    return () => {
      const length = readSync(file, buffer, 0, buffer.length, 0);
      return Number(buffer.toString('latin1', 0, length).split(' ')[1]) / 1e6;
    };
  } catch {
    return () => 0;
  }
};

const waits = openWaits();
let stretches: number[] = [];
let waited = waits();
let last = performance.now();
const turn = (): void => {
  const gap = performance.now() - last;
  if (gap > shortest) {
    const now = waits();
    stretches.push(gap - (now - waited));
    waited = now;
  }
  last = performance.now();
  setImmediate(turn);
};
turn();
process.on('message', () => {
  process.send?.(stretches);
  stretches = [];
});
