import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

/** A server under measurement, in a process of its own on loopback. */
export interface Server {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** The built program, as it ships; this file is compiled to dist/bench/bench/support. */
export const program = fileURLToPath(new URL('../../../main.js', import.meta.url));

/** The compiled file of a peer. */
export const peer = (name: string): string => fileURLToPath(new URL(`../peers/${name}.js`, import.meta.url));

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Starts a process that ends with this one at the latest. Its output is dropped, errors excepted. */
export const start = (command: string, args: readonly string[]): ChildProcess => {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  children.add(child);
  child.once('close', () => children.delete(child));
  child.stderr.resume();
  return child;
};

/** A port that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

/** What a server answered, as it was on the wire. */
export interface Answer {
  readonly status: number;
  /** Name, value, name, value. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** One request on a connection of its own; undefined when nobody listens. */
export const get = async (url: string, headers: Record<string, string> = {}): Promise<Answer | undefined> =>
  await new Promise((resolve) => {
    const request = http.get(url, { agent: false, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.rawHeaders,
          body: Buffer.concat(chunks),
        }),
      );
    });
    request.on('error', () => resolve(undefined));
  });

/** Resolves when `url` answers 200, at the latest after 30 s. */
export const until200 = async (url: string): Promise<void> => {
  const end = performance.now() + 30_000;
  while ((await get(url))?.status !== 200) {
    if (performance.now() > end) throw new Error(`${url} is not ready`);
    // Each try is a connection, which takes time from what is being waited for.
    await pause(3);
  }
};

/** Waits. */
export const pause = async (ms: number): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, ms));
};

/** Starts a server on a free port and waits until `ready` answers 200. */
export const startServer = async (
  ready: string,
  launch: (port: number) => readonly [command: string, args: readonly string[]],
): Promise<Server> => {
  const port = await freePort();
  const child = start(...launch(port));
  const url = `http://127.0.0.1:${port}`;
  const ended = once(child, 'close');
  await Promise.race([
    until200(`${url}${ready}`),
    ended.then(([code]) => Promise.reject(new Error(`the server ended with ${String(code)}`))),
  ]);
  return {
    url,
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
};

/** jwksd as it ships, with the keys of a directory. */
export const startJwksd = async (keys: string): Promise<Server> =>
  await startServer('/readyz', (port) => [process.execPath, jwksdArguments(keys, port)]);

/** The command line of {@link startJwksd}. */
export const jwksdArguments = (keys: string, port: number): readonly string[] => [
  program,
  'serve',
  `--keys=${keys}`,
  `--port=${port}`,
  '--ops-port=0',
];

/** Resident memory in MB (10^6 bytes), as the operating system counts it. */
export const residentMemory = (pid: number): number =>
  (Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024) / 1e6;

/** CPU seconds of a process so far; NaN where there is no /proc. */
export const cpuSeconds = (pid: number): number => {
  try {
    // The command name is in parentheses and may hold spaces; utime and stime are fields 14 and 15, in ticks of 10 ms.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return Number.NaN;
  }
};
