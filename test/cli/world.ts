import { Readable } from 'node:stream';
import { cli } from '../../src/cli/cli.ts';

/** What a command line did. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, in a world of its own: nothing of our environment, nothing on our terminal. */
export const run = async (
  argv: readonly string[],
  world: {
    readonly stdin?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
  } = {},
): Promise<Result> => {
  let stdout = '';
  let stderr = '';
  const code = await cli(argv, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    stdin: Readable.from(world.stdin === undefined ? [] : [Buffer.from(world.stdin)]),
    env: world.env ?? {},
    cwd: world.cwd ?? process.cwd(),
  });
  return { code, stdout, stderr };
};
