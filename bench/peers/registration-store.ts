import { readFileSync } from 'node:fs';
import { systemClock } from '../../src/clock.ts';
import { openStore, type StoreOptions } from '../../src/stores/open.ts';
import { clientOf, quantile } from '../support/registrations.ts';

// A process that opens a filled store as jwksd does and looks up random clients. Says as JSON how long it took and what
// it holds. Arguments: the store's options as JSON, how many keys are registered.

const [, , options = '', keys = '0'] = process.argv;
const lookups = 10_000;
const log = { info: () => undefined, warn: () => undefined };

/** Resident memory of the process's own, or of files that are mapped: those the kernel takes back when it needs room. */
const megabytes = (kind: 'RssAnon' | 'RssFile'): number =>
  Number(new RegExp(`${kind}:\\s+(\\d+)`, 'u').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;

const start = performance.now();
const store = await openStore(JSON.parse(options) as StoreOptions, systemClock, log);
const first = await store.published(clientOf(0));
const opened = performance.now() - start;
if (first?.keys.length !== 10) throw new Error(`the first client has ${first?.keys.length ?? 'no'} keys`);

const durations: number[] = [];
for (let lookup = 0; lookup < lookups; lookup += 1) {
  const client = clientOf(Math.floor(Math.random() * Number(keys)));
  const asked = performance.now();
  const found = await store.published(client);
  durations.push((performance.now() - asked) * 1000);
  if (found === undefined) throw new Error(`${client} is not there`);
}
process.stdout.write(
  JSON.stringify({
    opened,
    p50: quantile(durations, 0.5),
    p99: quantile(durations, 0.99),
    own: megabytes('RssAnon'),
    mapped: megabytes('RssFile'),
  }),
);
await store.close();
