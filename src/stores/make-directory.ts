import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';

/**
 * Makes a directory, and those above it that are missing. Resolves with whether it was made; false: it was there.
 *
 * Not with `recursive`: that asks again for ever where a directory that exists answers ENOENT to new names, as /proc
 * does. Rejects with the error of the file system.
 */
export const makeDirectory = async (directory: string, mode: number): Promise<boolean> => {
  try {
    return await makeOne(directory, mode);
  } catch (error) {
    const parent = path.dirname(directory);
    if (codeOf(error) !== 'ENOENT' || parent === directory) throw error;
    await makeDirectory(parent, mode);
    return await makeOne(directory, mode);
  }
};

const makeOne = async (directory: string, mode: number): Promise<boolean> => {
  try {
    await mkdir(directory, { mode });
    return true;
  } catch (error) {
    // Whatever the code is: a root and a read-only disk have others than EEXIST.
    if (codeOf(error) !== 'ENOENT' && (await isDirectory(directory))) return false;
    throw error;
  }
};

const isDirectory = async (file: string): Promise<boolean> =>
  await stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code;
