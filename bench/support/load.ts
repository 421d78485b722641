import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cpuSeconds, type Server } from './process.ts';

const run = promisify(execFile);

/** What one burst of load showed. */
export interface Burst {
  readonly requestsPerSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** CPU microseconds of the server for each request; NaN where they cannot be told. */
  readonly cpu: number;
  /** Answers whose status was neither 2xx nor 3xx, and connections that failed. */
  readonly errors: number;
}

/** What is asked for. */
export interface Target {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

const connections = 16;

/** Whether a command can be run. */
export const isInstalled = (command: string, ...args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).error === undefined;

const hasWrk = isInstalled('wrk', '-v');

/** The load generator in use, for the report. */
export const loadTool = `${hasWrk ? 'wrk' : 'autocannon'}, ${connections} connections`;

type Measured = Omit<Burst, 'cpu'> & { readonly requests: number };

const units: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 };

const wrk = async (url: string, headers: readonly string[], seconds: number): Promise<Measured> => {
  const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency'];
  const { stdout } = await run('wrk', [...options, ...headers.flatMap((line) => ['-H', line]), url]);
  const percentile = (name: string): number => {
    const [, value, unit = ''] = new RegExp(String.raw`${name}%\s+([\d.]+)(\w+)`, 'u').exec(stdout) ?? [];
    return Number(value) * (units[unit] ?? Number.NaN);
  };
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? 0);
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/u.exec(stdout);
  return {
    requests: number(/(\d+) requests in/u),
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/u),
    p50: percentile('50'),
    p99: percentile('99'),
    errors:
      number(/Non-2xx or 3xx responses: (\d+)/u) +
      (socketErrors?.slice(1) ?? []).reduce((sum, count) => sum + Number(count), 0),
  };
};

/** The part of autocannon's report that is read. */
interface AutocannonReport {
  readonly requests: { readonly average: number; readonly total: number };
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly errors: number;
  readonly '4xx': number;
  readonly '5xx': number;
}

const autocannon = async (url: string, headers: readonly string[], seconds: number): Promise<Measured> => {
  const script = fileURLToPath(import.meta.resolve('autocannon'));
  const options = ['-j', '-n', '-c', String(connections), '-d', String(seconds)];
  const args = [script, ...options, ...headers.flatMap((line) => ['-H', line]), url];
  const { stdout } = await run(process.execPath, args);
  const report = JSON.parse(stdout) as AutocannonReport;
  const { requests, latency } = report;
  return {
    requests: requests.total,
    requestsPerSecond: requests.average,
    p50: latency.p50,
    p99: latency.p99,
    errors: report.errors + report['4xx'] + report['5xx'],
  };
};

/** Asks a server for one thing as often as it can answer, for `seconds`. */
export const burst = async (server: Server, target: Target, seconds: number): Promise<Burst> => {
  const headers = Object.entries(target.headers).map(([name, value]) => `${name}: ${value}`);
  const before = cpuSeconds(server.pid);
  const tool = hasWrk ? wrk : autocannon;
  const { requests, ...measured } = await tool(`${server.url}${target.path}`, headers, seconds);
  return { ...measured, cpu: ((cpuSeconds(server.pid) - before) / requests) * 1e6 };
};
