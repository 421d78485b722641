import { randomBytes } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/** How a file is written. */
export interface WriteOptions {
  /** Permission bits, whatever the umask says. */
  readonly mode: number;
  /** False: an existing file is an error (`EEXIST`) and stays as it is. */
  readonly replace: boolean;
}

/**
 * Writes a file so that it is whole at any moment: after a crash it is the old one or the new one.
 *
 * A hidden temporary name in the same directory, synced, then given its name, then the directory synced. Rejects with
 * the error of the file system; the temporary file is then gone.
 */
export const writeDurably = async (
  file: string,
  text: string,
  { mode, replace }: WriteOptions,
): Promise<void> => {
  const directory = path.dirname(file);
  const temporary = path.join(directory, `.${path.basename(file)}.${randomBytes(6).toString('hex')}`);
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.chmod(mode);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (replace) await rename(temporary, file);
    // A link fails where a rename would replace.
    else await link(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};
