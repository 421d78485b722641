import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The built program. */
export const mainFile = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** How a command ended. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running server. */
export interface Running {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly opsUrl: string;
  readonly child: ChildProcess;
  /** Everything it wrote so far. */
  output(): string;
  /** Sends SIGTERM and resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** The environment of a child: nothing of ours but what a shell needs, so that a developer's settings change no test. */
const childEnv = (env: Record<string, string>): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  ...env,
});

/** A directory of its own for a test; `remove` deletes it. */
export const temporaryDirectory = async (): Promise<{ path: string; remove(): Promise<void> }> => {
  const directory = await mkdtemp(path.join(tmpdir(), 'jwksd-test-'));
  return { path: directory, remove: async () => await rm(directory, { recursive: true, force: true }) };
};

/** Runs a command to its end. */
export const runJwksd = async (
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Finished> => {
  const child = spawn(process.execPath, [mainFile, ...args], {
    cwd: options.cwd,
    env: childEnv(options.env ?? {}),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
};

/** Starts `jwksd serve` on free ports and resolves once it listens; rejects with its output when it ends instead. */
export const startJwksd = async (
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Running> => {
  const child = spawn(process.execPath, [mainFile, 'serve', '--port', '0', '--ops-port', '0', ...args], {
    cwd: options.cwd,
    env: childEnv(options.env ?? {}),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const listening = new Promise<{ url: string; opsUrl: string }>((resolve, reject) => {
    const read = (chunk: string): void => {
      output += chunk;
      const url = /jwksd serves (\S+)/u.exec(output)?.[1];
      const opsUrl = /metrics {3}(\S+)\/metrics/u.exec(output)?.[1];
      if (url !== undefined && opsUrl !== undefined) resolve({ url, opsUrl });
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    void exited.then((code) => reject(new Error(`jwksd ended with ${code}:\n${output}`)));
  });
  const { url, opsUrl } = await listening;
  return {
    url,
    opsUrl,
    child,
    output: () => output,
    stop: async () => {
      child.kill('SIGTERM');
      return await exited;
    },
  };
};

/** Asks again every 20 ms until `probe` gives something, at most `ms` milliseconds. */
export const eventually = async <T>(probe: () => Promise<T | undefined>, ms = 10_000): Promise<T> => {
  const end = performance.now() + ms;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`nothing within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
