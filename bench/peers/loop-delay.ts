import { monitorEventLoopDelay } from 'node:perf_hooks';

// Loaded into a server with --import: answers each message with the 99th percentile and the longest of the delays of a
// timer of 1 ms since the message before, in milliseconds.
const histogram = monitorEventLoopDelay({ resolution: 1 });
histogram.enable();
process.on('message', () => {
  process.send?.({ p99: histogram.percentile(99) / 1e6 - 1, longest: histogram.max / 1e6 - 1 });
  histogram.reset();
});
process.channel?.unref();
