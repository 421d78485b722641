import { chmod } from 'node:fs/promises';
import path from 'node:path';
import { JwksdError } from '../../errors.ts';
import { writeDurably, type WriteOptions } from '../../sources/durable-file.ts';
import { makeDirectory } from '../../stores/make-directory.ts';
import { text, type Io, type Parsed } from '../command.ts';
import { codeOf, nameProblem } from '../keys/key-files.ts';

/** The files of an Okera-style directory, absolute. */
export interface TokenDirectory {
  readonly path: string;
  readonly privateKey: string;
  readonly publicKey: string;
  readonly systemToken: string;
}

/** The directory a command works in. */
export const tokenDirectory = (parsed: Parsed, io: Io): TokenDirectory => {
  const directory = path.resolve(io.cwd, text(parsed, 'dir') ?? '.auth');
  return {
    path: directory,
    privateKey: path.join(directory, 'id_rsa'),
    publicKey: path.join(directory, 'id_rsa.pub'),
    systemToken: path.join(directory, 'system.token'),
  };
};

/** Where the token of `name` is saved. @throws {JwksdError} `usage` for a name that is no file name. */
export const tokenFile = ({ path: directory }: TokenDirectory, name: string): string => {
  const problem = nameProblem(name);
  if (problem !== undefined) throw new JwksdError('usage', problem);
  return path.join(directory, `${name}.token`);
};

/** Makes the directory, for its owner only whatever the umask; one that is there stays as it is. */
export const makeTokenDirectory = async (directory: string): Promise<void> => {
  if (await makeDirectory(directory, 0o700)) await chmod(directory, 0o700);
};

/** Writes a file of the directory whole. @throws {JwksdError} `failed` when it is there and is not to be replaced. */
export const writeTokenFile = async (
  file: string,
  content: string,
  options: WriteOptions & { readonly wayOut: string },
  io: Io,
): Promise<void> => {
  try {
    await writeDurably(file, [content], options);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    throw new JwksdError('failed', `${shown(file, io)} exists and is not overwritten; ${options.wayOut}`);
  }
};

/** A file as a message shows it: relative where that is shorter. */
export const shown = (file: string, io: Io): string => {
  const relative = path.relative(io.cwd, file);
  return relative.length > 0 && relative.length < file.length ? relative : file;
};
