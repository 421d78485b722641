import { once } from 'node:events';
import { keyDirectory } from './support/keys.ts';
import { cpuSeconds, freePort, jwksdArguments, peer, start, until200 } from './support/process.ts';
import { median, print, printTable, range, shown, verdict } from './support/report.ts';

// Milliseconds from spawn to the first 200 of /readyz with file keys, in turn with bare Fastify and with Node alone.

const rounds = 9;
const target = 300;

interface Start {
  readonly wall: number;
  /** CPU milliseconds of the process, which other load on the machine hardly changes; NaN where they cannot be told. */
  readonly cpu: number;
}

const timeToReady = async (args: (port: number) => readonly string[]): Promise<Start> => {
  const port = await freePort();
  const begun = performance.now();
  const child = start(process.execPath, args(port));
  await until200(`http://127.0.0.1:${port}/readyz`);
  const wall = performance.now() - begun;
  const cpu = cpuSeconds(child.pid ?? 0) * 1000;
  child.kill('SIGKILL');
  await once(child, 'close');
  return { wall, cpu };
};

const timeOfNode = async (): Promise<Start> => {
  const begun = performance.now();
  await once(start(process.execPath, ['-e', '']), 'close');
  return { wall: performance.now() - begun, cpu: Number.NaN };
};

const [one, many] = [keyDirectory(1), keyDirectory(1000)];
const contenders: readonly (readonly [name: string, measure: () => Promise<Start>])[] = [
  ['jwksd, 1 key', async () => await timeToReady((port) => jwksdArguments(one, port))],
  ['jwksd, 1,000 keys', async () => await timeToReady((port) => jwksdArguments(many, port))],
  ['bare Fastify', async () => await timeToReady((port) => [peer('fastify'), String(port)])],
  ['node -e "" to its end', timeOfNode],
];
const times = contenders.map((): Start[] => []);
for (let round = 0; round <= rounds; round += 1) {
  for (const [index, [, measure]] of contenders.entries()) {
    const taken = await measure();
    // The first round reads the files into the page cache.
    if (round > 0) times[index]?.push(taken);
  }
}

print(`${rounds} starts each, in turn, after one that is not counted`);
printTable(
  ['process', 'ms, median', 'lowest to highest', 'CPU ms', 'target'],
  contenders.map(([name], index) => {
    const taken = (times[index] ?? []).map(({ wall }) => wall);
    const cpu = median((times[index] ?? []).map(({ cpu: used }) => used));
    const goal = index === 0 ? `< ${target}: ${verdict(median(taken) < target)}` : '-';
    return [name, shown(median(taken)), range(taken), shown(cpu), goal];
  }),
);
