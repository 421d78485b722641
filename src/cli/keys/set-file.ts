import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { JwksdError } from '../../errors.ts';
import { entriesOf } from '../../jwk/parse-set.ts';
import { sweepAbandoned, writeDurably } from '../../sources/durable-file.ts';
import { exclusively } from '../../sources/file-lock.ts';
import { codeOf, targetOf, type KeyFiles } from './key-files.ts';

/** Milliseconds a run waits for another one: longer than the lock of a process that was killed on another host is respected. */
export const patience = 15_000;

/** The entries of the set at `file`, as they stand; none when there is no file. @throws {JwksdError} `failed` for no JWK Set. */
export const readSet = async (file: string): Promise<readonly unknown[]> => {
  try {
    const decoded = entriesOf(JSON.parse((await readFile(file, 'utf8')).replace(/^\uFEFF/u, '')));
    if (decoded.ok) return decoded.entries;
    throw new JwksdError('failed', `${file}: ${decoded.detail}; move it away first`);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    if (error instanceof SyntaxError)
      throw new JwksdError('failed', `${file} is not JSON; move it away first`);
    throw error;
  }
};

/** The set while nobody else changes it. */
export interface LockedSet {
  /** Writes the set anew if `change` gives more or fewer entries. */
  edit(change: (entries: readonly unknown[]) => readonly unknown[]): Promise<void>;
}

/** Runs `task` while nobody else changes the set or the public files beside it. */
export const withSet = async (files: KeyFiles, task: (set: LockedSet) => Promise<void>): Promise<void> => {
  const target = await targetOf(files.jwkSet);
  const directory = path.dirname(target);
  const lock = path.join(directory, `.${path.basename(target)}.lock`);
  await exclusively(
    lock,
    async () => {
      const outputs = path.dirname(files.publicJwk);
      await sweepAbandoned(directory, (name) => name === path.basename(target), Number.POSITIVE_INFINITY);
      await sweepAbandoned(outputs, (name) => name.endsWith('_public.jwk.json'), Number.POSITIVE_INFINITY);
      await task({
        edit: async (change) => {
          const before = await readSet(target);
          const after = change(before);
          if (after.length === before.length) return;
          const text = `${JSON.stringify({ keys: after }, undefined, 2)}\n`;
          await writeDurably(target, [text], { mode: 0o644, replace: true });
        },
      });
    },
    { patience },
  );
};
