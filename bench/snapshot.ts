import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import type { SnapshotTimes } from './peers/snapshot-process.ts';
import type { Blocks } from './support/blocks.ts';
import { jwkSet, keyDirectory, workDirectory } from './support/keys.ts';
import { freePort, get, pause, peer, program, until200 } from './support/process.ts';
import { median, print, printTable, range, shown, verdict } from './support/report.ts';
import { startUpstream } from './support/upstream.ts';

// Time to build a snapshot of 1,000 and 10,000 keys, and the longest block of the event loop meanwhile: first the parts
// alone, then the running service that loads a set from an upstream and replaces it by one without a common key.

const rounds = 3;
const target = 50;
const counts = [1000, 10_000] as const;
const run = promisify(execFile);

const longest = (blocks: readonly Blocks[]): number =>
  Math.max(...blocks.map(({ gap, delay }) => Math.max(gap, delay)));

const rows: string[][] = [];
for (const count of counts) {
  const directory = keyDirectory(count);
  for (const kind of ['upstream', 'file'] as const) {
    const times: SnapshotTimes[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const { stdout } = await run(process.execPath, [peer('snapshot-process'), kind, directory]);
      times.push(JSON.parse(stdout) as SnapshotTimes);
    }
    if (times.some(({ keys }) => keys !== count)) throw new Error('keys were lost');
    const admissionBlock = longest(times.map(({ blocks }) => blocks.admission));
    const renderBlock = longest(times.map(({ blocks }) => blocks.render));
    const worst = Math.max(admissionBlock, renderBlock);
    rows.push([
      `${shown(count)}, ${kind}`,
      shown(median(times.map(({ admission }) => admission))),
      shown(median(times.map(({ render }) => render))),
      shown(admissionBlock, 1),
      shown(renderBlock, 1),
      count === 10_000 ? `<= ${target}: ${verdict(worst <= target)}` : '-',
    ]);
  }
}
print(
  `${rounds} fresh processes each; times are medians, blocks the longest of all processes and both probes`,
);
printTable(['keys', 'admission ms', 'render ms', 'longest block, admission ms', 'render ms', 'target'], rows);

/** Loads `count` keys from an upstream into a running jwksd, then other ones; the blocks of both. */
const inService = async (count: number): Promise<{ load: Blocks; replace: Blocks; seconds: number }> => {
  const upstream = await startUpstream(jwkSet(1));
  const [port, ops] = [await freePort(), await freePort()];
  const child = spawn(
    process.execPath,
    [
      `--import=${peer('loop-probe')}`,
      program,
      'serve',
      `--upstream=idp=${upstream.url}`,
      `--port=${port}`,
      `--ops-port=${ops}`,
      '--log-level=silent',
    ],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: {
        PATH: process.env['PATH'],
        JWKSD_STATE__DIR: workDirectory(),
        JWKSD_SOURCES__IDP__MAX_BODY: '16MiB',
        JWKSD_SOURCES__IDP__MAX_KEYS: '10000',
      },
    },
  );
  const read = async (): Promise<Blocks> => {
    child.send('read');
    const [blocks] = (await once(child, 'message')) as [Blocks];
    return blocks;
  };
  const publish = async (body: string): Promise<Blocks> => {
    const { keys } = JSON.parse(body) as { keys: { kid: string }[] };
    const kid = keys.at(-1)?.kid ?? '';
    upstream.publish(body);
    await read();
    // Asks for the new key itself only when the refresh must be over, so that nothing else is measured.
    await fetch(`http://127.0.0.1:${ops}/sources/idp/refresh`, { method: 'POST' });
    await until200(`http://127.0.0.1:${port}/sets/default/keys/${kid}`);
    await pause(300);
    return await read();
  };
  try {
    await until200(`http://127.0.0.1:${port}/readyz`);
    const begun = performance.now();
    const load = await publish(jwkSet(count));
    const seconds = (performance.now() - begun) / 1000;
    const replace = await publish(jwkSet(count));
    const { body } = (await get(`http://127.0.0.1:${port}/.well-known/jwks.json`)) ?? {};
    if (body === undefined || body.length < count * 300) throw new Error('the set is not complete');
    return { load, replace, seconds };
  } finally {
    child.kill('SIGKILL');
    upstream.close();
  }
};

const service: string[][] = [];
for (const count of counts) {
  const results: Awaited<ReturnType<typeof inService>>[] = [];
  for (let round = 0; round < rounds; round += 1) results.push(await inService(count));
  const cells = (read: (one: (typeof results)[number]) => Blocks): string[] => {
    const values = results.map((one) => longest([read(one)]));
    return [shown(median(values), 1), range(values, 1)];
  };
  const worst = longest(results.flatMap(({ load, replace }) => [load, replace]));
  service.push([
    shown(count),
    ...cells(({ load }) => load),
    ...cells(({ replace }) => replace),
    count === 10_000 ? `<= ${target}: ${verdict(worst <= target)}` : '-',
  ]);
}
print('The running service, from the answer of the upstream to the published set:');
printTable(
  ['keys', 'block ms, first load', 'lowest to highest', 'block ms, replaced', 'lowest to highest', 'target'],
  service,
);
