import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The built program. */
export const mainFile = path.join(root, 'dist/main.js');

/** How a command ended. */
export interface Finished {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and as whom a child runs. */
export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Of the child; the umask of whoever runs the tests otherwise. */
  readonly umask?: number;
  /** Needs root. The user must be able to read the program, but not the Node that runs it. */
  readonly uid?: number;
}

/** A running server. `await using` ends it however the test ends. */
export interface Running extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Empty when the ops listener is off. */
  readonly opsUrl: string;
  readonly port: number;
  /** Everything it wrote so far. */
  output(): string;
  /** The lines of its log so far. */
  log(): readonly Record<string, unknown>[];
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the exit code, null after a signal. */
  readonly exited: Promise<number | null>;
  /** Sends SIGTERM and resolves with the exit code. */
  stop(): Promise<number | null>;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** The environment of a child: nothing of ours but what a shell needs, so that a developer's settings change no test. */
export const childEnv = (env: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  ...env,
});

/** A directory of its own for a test; deleted at the end of `await using`. */
export const temporaryDirectory = async (): Promise<{ readonly path: string } & AsyncDisposable> => {
  const directory = await mkdtemp(path.join(tmpdir(), 'jwksd-test-'));
  return {
    path: directory,
    [Symbol.asyncDispose]: async () => await rm(directory, { recursive: true, force: true, maxRetries: 3 }),
  };
};

/** Makes a Node process somebody else before it does anything. */
const become = (uid: number): Record<string, string> => ({
  NODE_OPTIONS: `--import=data:text/javascript,process.setgroups([]);process.setgid(${uid});process.setuid(${uid})`,
});

const start = (args: readonly string[], options: ChildOptions): Child => {
  const before = options.umask === undefined ? undefined : process.umask(options.umask);
  try {
    return spawn(process.execPath, [mainFile, ...args], {
      cwd: options.cwd,
      env: childEnv({ ...options.env, ...(options.uid === undefined ? {} : become(options.uid)) }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } finally {
    if (before !== undefined) process.umask(before);
  }
};

const ended = async (child: Child): Promise<number | null> => {
  const [code] = (await once(child, 'close')) as [number | null];
  return code;
};

/** Runs a command to its end; one that has not ended after `limit` milliseconds is killed, and its code is null. */
export const runJwksd = async (
  args: readonly string[],
  options: ChildOptions & { readonly limit?: number } = {},
): Promise<Finished> => {
  const child = start(args, options);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.limit ?? 15_000);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const code = await ended(child);
  clearTimeout(timer);
  return { code, stdout, stderr };
};

/** Waits for the banner, which ends in an empty line. */
const banner = async (child: Child, heard: () => string): Promise<{ url: string; opsUrl: string }> =>
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`jwksd does not listen:\n${heard()}`)), 15_000);
    const read = (): void => {
      const [, url, rest] = /jwksd serves (\S+)\n([\s\S]*?)\n\n/u.exec(heard()) ?? [];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve({ url, opsUrl: /metrics {3}(\S+)\/metrics/u.exec(rest ?? '')?.[1] ?? '' });
    };
    child.stderr.on('data', read);
    child.once('close', (code) => {
      clearTimeout(timer);
      reject(new Error(`jwksd ended with ${code}:\n${heard()}`));
    });
  });

const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** Starts `jwksd serve` on free ports and resolves once it listens; rejects with its output when it ends instead. */
export const startJwksd = async (args: readonly string[], options: ChildOptions = {}): Promise<Running> => {
  const child = start(['serve', '--port', '0', '--ops-port', '0', ...args], options);
  let output = '';
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const exited = ended(child);
  const dispose = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
  };
  try {
    const { url, opsUrl } = await banner(child, () => output);
    return {
      url,
      opsUrl,
      port: Number(new URL(url).port),
      output: () => output,
      // The last line may be half there.
      log: () => jsonLines(stdout.slice(0, stdout.lastIndexOf('\n') + 1)),
      kill: (signal) => void child.kill(signal),
      exited,
      stop: async () => {
        child.kill('SIGTERM');
        return await exited;
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
};

/** Asks again every 20 ms until `probe` gives something, at most `ms` milliseconds; then tells how the last try failed. */
export const eventually = async <T>(
  probe: () => Promise<T | undefined> | T | undefined,
  ms = 10_000,
): Promise<T> => {
  const end = performance.now() + ms;
  let cause: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > end) throw new Error(`nothing within ${ms} ms: ${String(probe)}`, { cause });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
