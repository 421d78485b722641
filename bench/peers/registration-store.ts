import { systemClock } from '../../src/clock.ts';
import { openStore, type StoreOptions } from '../../src/stores/open.ts';
import { clientOf, quantile } from '../support/registrations.ts';

// A process that opens a filled store as jwksd does and looks up random clients. Says as JSON how long it took and what
// it holds. Arguments: the store's options as JSON, how many keys are registered.

const [, , options = '', keys = '0'] = process.argv;
const lookups = 10_000;
const log = { info: () => undefined, warn: () => undefined };
const megabytes = (): number => process.memoryUsage.rss() / 2 ** 20;

const before = megabytes();
const start = performance.now();
const store = await openStore(JSON.parse(options) as StoreOptions, systemClock, log);
const first = await store.published(clientOf(0));
const opened = performance.now() - start;
if (first?.keys.length !== 10) throw new Error(`the first client has ${first?.keys.length ?? 'no'} keys`);
const atStart = megabytes();

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
    before,
    atStart,
    after: megabytes(),
  }),
);
await store.close();
