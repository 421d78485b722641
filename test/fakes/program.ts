import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

/** A TypeScript program of the tests as one file that any Node runs. */
export interface Program {
  readonly file: string;
  remove(): Promise<void>;
}

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Bundles `entry`, a path from the root of the repository, with what it uses of `src/`. Packages stay packages. */
export const buildProgram = async (entry: string): Promise<Program> => {
  const directory = await mkdtemp(path.join(tmpdir(), 'jwksd-program-'));
  await symlink(path.join(repository, 'node_modules'), path.join(directory, 'node_modules'), 'junction');
  const file = path.join(directory, 'program.mjs');
  await build({
    input: path.join(repository, entry),
    platform: 'node',
    external: /^[^./]/u,
    output: { file, codeSplitting: false },
  });
  return { file, remove: async () => await rm(directory, { recursive: true, force: true }) };
};
