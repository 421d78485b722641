import { chmod, lstat, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { JwksdError } from '../../errors.ts';
import { makeDirectory } from '../../stores/make-directory.ts';

/** The files of a key pair, absolute. */
export interface KeyFiles {
  readonly privateKey: string;
  readonly publicJwk: string;
  readonly jwkSet: string;
}

/** Names that may become part of a file name: no path, no hidden file, nothing a shell takes for an option. */
const fileName = /^(?![.-])[A-Za-z0-9._-]{1,100}$/u;

/** What is wrong with a name that is to become part of a file name; undefined when nothing is. */
export const nameProblem = (name: string): string | undefined => {
  if (fileName.test(name)) return undefined;
  const shown = JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name);
  const length = name.length > 100 ? ` (it has ${name.length} characters)` : '';
  return `${shown} cannot be a name${length}: use 1 to 100 of A-Z a-z 0-9 . _ -, not starting with a dot or a dash`;
};

/** Where the pair `name` lives below `directory`. @throws {JwksdError} `usage` for a name that is no file name. */
export const keyFiles = (directory: string, name: string): KeyFiles => {
  const problem = nameProblem(name);
  if (problem !== undefined) throw new JwksdError('usage', problem);
  return {
    privateKey: path.join(directory, 'keys', `${name}_private.pem`),
    publicJwk: path.join(directory, 'outputs', `${name}_public.jwk.json`),
    jwkSet: path.join(directory, 'outputs', 'jwks.json'),
  };
};

/**
 * Makes the directories of a pair, whatever the umask: 0700 for the private key, 0755 for the others. Resolves with what
 * the user should know about them.
 *
 * A directory for private keys that was there gets 0700 too, unless it is a symbolic link: what it leads to has other
 * uses.
 */
export const makeDirectories = async (files: KeyFiles): Promise<readonly string[]> => {
  const keys = path.dirname(files.privateKey);
  const outputs = path.dirname(files.jwkSet);
  await make(path.dirname(keys), 0o755);
  await make(outputs, 0o755);
  await make(keys, 0o700);
  if (!(await lstat(keys)).isSymbolicLink()) {
    await chmod(keys, 0o700);
    return [];
  }
  const { mode } = await stat(keys);
  return (mode & 0o077) === 0
    ? []
    : [`${keys} leads to a directory that others may look into; close it with chmod 700`];
};

const make = async (directory: string, mode: number): Promise<void> => {
  const made = await makeDirectory(directory, mode);
  // Of several that were made only the last one is what was asked for; the others lead to it.
  if (made) await chmod(directory, mode);
};

/** The file that `file` stands for: where it is a symbolic link, what that leads to. */
export const targetOf = async (file: string): Promise<string> => {
  try {
    return await realpath(file);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    if (await exists(file)) {
      throw new JwksdError(
        'failed',
        `${file} is a symbolic link that leads nowhere; remove it or make its target`,
      );
    }
    const parent = path.dirname(file);
    return path.join(await realpath(parent).catch(() => parent), path.basename(file));
  }
};

/** Whether there is anything of this name, a link that leads nowhere included. */
export const exists = async (file: string): Promise<boolean> => {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
};

/** The code of a file system error. */
export const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException).code);
