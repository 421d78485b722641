import { keyDirectory } from './support/keys.ts';
import { get, pause, peer, residentMemory, startJwksd, startServer, type Server } from './support/process.ts';
import { median, print, printTable, range, shown, verdict } from './support/report.ts';

// Resident memory of jwksd as it ships, with 1, 1,000 and 10,000 keys, beside bare Fastify. Nothing forces a garbage
// collection: this is what an operator sees.

const rounds = 3;
const target = 1.5;
const settle = 2500;

const measure = async (launch: () => Promise<Server>): Promise<number> => {
  const server = await launch();
  for (let n = 0; n < 50; n += 1) await get(`${server.url}/readyz`);
  await pause(settle);
  const memory = residentMemory(server.pid);
  await server.stop();
  return memory;
};

const counts = [1, 1000, 10_000] as const;
const contenders: readonly (readonly [name: string, launch: () => Promise<Server>])[] = [
  [
    'bare Fastify',
    async () => await startServer('/readyz', (port) => [process.execPath, [peer('fastify'), String(port)]]),
  ],
  ...counts.map((count) => {
    const keys = keyDirectory(count);
    const name = `jwksd, ${shown(count)} ${count === 1 ? 'key' : 'keys'}`;
    return [name, async () => await startJwksd(keys)] as const;
  }),
];
const figures = contenders.map((): number[] => []);
for (let round = 0; round < rounds; round += 1) {
  for (const [index, [, launch]] of contenders.entries()) figures[index]?.push(await measure(launch));
}

const bare = median(figures[0] ?? []);
print(`${rounds} processes each, in turn, ${settle} ms after 50 requests`);
printTable(
  ['process', 'RSS MB, median', 'lowest to highest', 'of bare Fastify', 'target'],
  contenders.map(([name], index) => {
    const values = figures[index] ?? [];
    const ratio = median(values) / bare;
    const goal = index === 1 ? `<= ${target}: ${verdict(ratio <= target)}` : '-';
    return [name, shown(median(values), 1), range(values, 1), shown(ratio, 2), goal];
  }),
);
