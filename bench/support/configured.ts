import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { workDirectory } from './keys.ts';
import { freePort, peer, program, until200 } from './process.ts';

/** Delays of the event loop since the last reading, in milliseconds. */
export interface LoopDelay {
  readonly p99: number;
  readonly longest: number;
}

/** A running jwksd with a configuration of its own. */
export interface Configured {
  readonly url: string;
  readonly opsUrl: string;
  readonly pid: number;
  /** Milliseconds from its start to the first 200 of /readyz. */
  readonly readyAfter: number;
  loopDelay(): Promise<LoopDelay>;
  /** Without a chance to say goodbye. */
  kill(): Promise<void>;
}

/** Starts jwksd as it ships and waits until it is ready. `sources` and `state` are those of the configuration file. */
export const startConfigured = async (config: {
  readonly sources: object;
  readonly sets?: object;
  readonly state: { readonly dir: string | null };
}): Promise<Configured> => {
  const file = path.join(workDirectory(), 'jwksd.json');
  writeFileSync(file, JSON.stringify({ log: { level: 'silent' }, ...config }));
  const [port, ops] = [await freePort(), await freePort()];
  const [url, opsUrl] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${ops}`];
  const begun = performance.now();
  const child = spawn(
    process.execPath,
    [
      `--import=${peer('loop-delay')}`,
      program,
      'serve',
      `--config=${file}`,
      `--port=${port}`,
      `--ops-port=${ops}`,
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], env: { PATH: process.env['PATH'] } },
  );
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  const ended = once(child, 'close');
  await Promise.race([
    until200(`${url}/readyz`),
    ended.then(([code]) => Promise.reject(new Error(`jwksd ended with ${String(code)}`))),
  ]);
  return {
    url,
    opsUrl,
    pid: child.pid ?? 0,
    readyAfter: performance.now() - begun,
    loopDelay: async () => {
      child.send('read');
      const [delay] = (await once(child, 'message')) as [LoopDelay];
      return delay;
    },
    kill: async () => {
      process.off('exit', end);
      end();
      await ended;
    },
  };
};
