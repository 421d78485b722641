import { FakeUpstream, ok, type Handler } from '../../test/fakes/upstream.ts';
import { startConfigured, type Configured } from './configured.ts';
import type { Figure } from './figure.ts';
import { jwkSet } from './keys.ts';
import { cpuSeconds, pause, residentMemory } from './process.ts';
import { shown } from './report.ts';

/** Many upstreams on one server, each at a path of its own, and how many of them are asked at a time. */
interface Many {
  readonly upstream: FakeUpstream;
  readonly sources: Record<string, object>;
  readonly highest: () => number;
}

const keysEach = 10;

const startMany = async (count: number): Promise<Many> => {
  const bodies = Array.from({ length: count }, () => jwkSet(keysEach));
  let running = 0;
  let highest = 0;
  const answer: Handler = (request, response) => {
    running += 1;
    highest = Math.max(highest, running);
    response.once('close', () => (running -= 1));
    // A provider that takes no time at all would never be asked twice at once.
    setTimeout(() => ok(bodies[Number(request.url?.slice(1))] ?? '')(request, response), 5);
  };
  const upstream = await FakeUpstream.start({ handler: answer });
  const names = bodies.map((_, index) => `idp${index}`);
  return {
    upstream,
    sources: Object.fromEntries(
      names.map((name, index) => [name, { type: 'jwks', url: upstream.url(`/${index}`).href }]),
    ),
    highest: () => highest,
  };
};

interface Round {
  readonly wall: number;
  readonly cpu: number;
  readonly p99: number;
  readonly longest: number;
  readonly fetches: number;
}

/** Refreshes every upstream once, all asked for at the same time, and waits until the process rests again. */
const round = async (jwksd: Configured, { upstream, sources }: Many): Promise<Round> => {
  upstream.requests.length = 0;
  await jwksd.loopDelay();
  const [begun, cpu] = [performance.now(), cpuSeconds(jwksd.pid)];
  await Promise.all(
    Object.keys(sources).map(
      async (name) => await fetch(`${jwksd.opsUrl}/sources/${name}/refresh`, { method: 'POST' }),
    ),
  );
  for (let before = -1, now = 0; now - before > 0.02;) {
    before = now;
    await pause(500);
    now = cpuSeconds(jwksd.pid);
  }
  const delay = await jwksd.loopDelay();
  return {
    wall: performance.now() - begun - 500,
    cpu: cpuSeconds(jwksd.pid) - cpu,
    ...delay,
    fetches: upstream.requests.length,
  };
};

const measure = async (count: number, perSet: boolean): Promise<readonly Figure[]> => {
  const many = await startMany(count);
  await using _upstream = many.upstream;
  const names = Object.keys(many.sources);
  const sets = perSet
    ? Object.fromEntries(names.map((name) => [name, { sources: [name] }]))
    : { default: { sources: names } };
  const jwksd = await startConfigured({ state: { dir: null }, sources: many.sources, sets });
  try {
    await pause(2500);
    const memory = residentMemory(jwksd.pid);
    const { wall, cpu, p99, longest, fetches } = await round(jwksd, many);
    const what = `${shown(count)} upstreams of ${keysEach} keys, ${perSet ? 'a set each' : 'in one set'}`;
    const how = 'the process; all refreshes asked for at once, nothing changed';
    return [
      {
        name: `${what}: start`,
        measured: `ready after ${shown(jwksd.readyAfter)} ms, RSS ${shown(memory)} MB`,
        target: '-',
        how: 'the process; first attempts are spread over 2 s',
      },
      {
        name: `${what}: one refresh of all`,
        measured: `${shown(fetches)} fetches in ${shown(wall / 1000, 1)} s, CPU ${shown(cpu, 2)} s, event-loop delay p99 ${shown(p99, 1)} ms (longest ${shown(longest, 1)})`,
        target: `at most 8 at a time (${many.highest()})`,
        met: many.highest() <= 8 && fetches === count,
        how,
      },
    ];
  } finally {
    await jwksd.kill();
  }
};

/** The figures of many upstreams in one process. */
export const manyFigures = async (): Promise<readonly Figure[]> => [
  ...(await measure(200, false)),
  ...(await measure(1000, true)),
  ...(await measure(1000, false)),
];
