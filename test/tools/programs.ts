import { spawnSync } from 'node:child_process';

/** How another program ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs another program to its end. */
export const runProgram = (
  program: string,
  args: readonly string[],
  { input = '', cwd }: { readonly input?: string; readonly cwd?: string } = {},
): Ended => {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    input,
    encoding: 'utf8',
    // Nothing of ours: what a developer has configured changes no test.
    env: { PATH: `/usr/bin:/bin:${process.env['PATH'] ?? ''}` },
    ...(cwd === undefined ? {} : { cwd }),
  });
  return { code: error === undefined ? status : null, stdout, stderr };
};

/** Empty when the program does what is asked of it, otherwise the reason to skip, for the name of a test. */
export const missing = (program: string, args: readonly string[], debian: string): string =>
  runProgram(program, args).code === 0
    ? ''
    : ` (skipped: ${program} cannot be had here; Debian has it in the package ${debian})`;
