import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import type { Flags } from '../../src/config/flags.ts';
import { loadConfig, type Loaded, type LoadResult } from '../../src/config/load.ts';
import type { Problem } from '../../src/config/problem.ts';

/** What a test may say about where the configuration comes from. */
export interface Given {
  readonly yaml?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: Flags;
  /** Files beside the working directory's other content. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

/** A directory of its own: `etc/jwksd.yaml` is the file, `work` the working directory. */
export const load = async (given: Given): Promise<{ result: LoadResult; etc: string; work: string }> => {
  const root = await mkdtemp(path.join(tmpdir(), 'jwksd-config-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const etc = path.join(root, 'etc');
  const work = path.join(root, 'work');
  await mkdir(etc);
  await mkdir(work);
  const file = path.join(etc, 'jwksd.yaml');
  if (given.yaml !== undefined) await writeFile(file, given.yaml);
  for (const [name, content] of Object.entries(given.files ?? {}))
    await writeFile(path.join(work, name), content);
  const result = await loadConfig({
    flags: given.flags,
    env: given.env ?? {},
    cwd: work,
    systemFile: given.yaml === undefined ? path.join(root, 'nothing') : file,
  });
  return { result, etc, work };
};

/** The configuration; fails the test with the problems when it is refused. */
export const loaded = async (given: Given): Promise<Loaded> => {
  const { result } = await load(given);
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.problems, null, 1)}`);
  return result;
};

/** {@link loaded}, the configuration alone. */
export const config = async (given: Given): Promise<Config> => (await loaded(given)).config;

/** The problems; fails the test when the configuration is accepted. */
export const problems = async (given: Given): Promise<readonly Problem[]> => {
  const { result } = await load(given);
  if (result.ok) throw new Error('accepted');
  return result.problems;
};
