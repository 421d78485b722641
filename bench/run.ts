import { execFileSync, spawnSync } from 'node:child_process';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { print } from './support/report.ts';

// Runs the measurements one after the other, each in a process of its own: all, or those that are named.

const all = ['start', 'memory', 'snapshot', 'swap', 'http'] as const;

/** A measurement that takes longer than this is ended. */
const limit = 150_000;

const version = (command: string, args: readonly string[]): string => {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return `${stdout ?? ''}${stderr ?? ''}`.split('\n', 1)[0]?.trim() ?? '';
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !all.some((known) => known === name));
if (unknown.length > 0) {
  print(`There is no measurement ${unknown.join(', ')}; these are: ${all.join(', ')}`);
  process.exitCode = 2;
} else {
  const memory = Math.round(os.totalmem() / 2 ** 30);
  print(
    `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${os.availableParallelism()} cores (${os.cpus()[0]?.model ?? ''}), ${memory} GiB, ${os.type()}`,
    `load before the run: ${os.loadavg()[0]?.toFixed(2) ?? '-'}; ${version('nginx', ['-v']) || 'no nginx'}`,
  );
  for (const name of all.filter((each) => asked.length === 0 || asked.includes(each))) {
    print('', `## ${name}`, '');
    const file = fileURLToPath(new URL(`${name}.js`, import.meta.url));
    execFileSync(process.execPath, [file], { stdio: 'inherit', timeout: limit });
  }
}
