import { randomBytes } from 'node:crypto';
import { link, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';

/** How a file is written. */
export interface WriteOptions {
  /** Permission bits, whatever the umask says. */
  readonly mode: number;
  /** False: an existing file is an error (`EEXIST`) and stays as it is. */
  readonly replace: boolean;
}

const temporaryOf = (file: string): string =>
  path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);

/**
 * Writes a file so that it is whole at any moment: after a crash it is the old one or the new one.
 *
 * A hidden temporary name in the same directory, synced, then given its name, then the directory synced. Rejects with
 * the error of the file system; the temporary file is then gone.
 */
export const writeDurably = async (
  file: string,
  parts: readonly (string | Uint8Array)[],
  { mode, replace }: WriteOptions,
): Promise<void> => {
  const temporary = await stage(file, parts, mode);
  try {
    if (replace) await rename(temporary, file);
    // A link fails where a rename would replace.
    else await link(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(path.dirname(file));
};

/**
 * Writes what will become `file` under a hidden temporary name beside it, synced, and resolves with that name.
 *
 * For whoever gives several files their names together. Rejects with the error of the file system; the temporary file is
 * then gone.
 */
export const stage = async (
  file: string,
  parts: readonly (string | Uint8Array)[],
  mode: number,
): Promise<string> => {
  const temporary = temporaryOf(file);
  const handle = await open(temporary, 'wx', mode);
  try {
    await handle.chmod(mode);
    for (const part of parts) await handle.writeFile(part);
    await handle.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  return temporary;
};

/** Makes the names in a directory outlive a power failure. */
export const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/**
 * Removes what writes that were killed before `wall` (milliseconds since the epoch) left behind in a directory, of the
 * files whose names are `ours`. Never rejects.
 */
export const sweepAbandoned = async (
  directory: string,
  ours: (name: string) => boolean,
  wall: number,
): Promise<void> => {
  for (const name of await readdir(directory).catch(() => [])) {
    const [, file] = /^\.(.+)\.[0-9a-f]+\.tmp$/.exec(name) ?? [];
    if (file === undefined || !ours(file)) continue;
    const temporary = path.join(directory, name);
    const age = await stat(temporary).catch(() => undefined);
    if (age !== undefined && age.mtimeMs < wall) await rm(temporary, { force: true }).catch(() => undefined);
  }
};
