import { constants } from 'node:fs';
import { access, open } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The configuration that ships with jwksd; at the same place seen from src/ and from dist/. */
export const builtInFile = fileURLToPath(new URL('../../config/default.yaml', import.meta.url));

/** Where a configuration is looked for last, before the built-in one. */
export const systemFile = '/etc/jwksd/jwksd.yaml';

/** The file to load, and what named it. */
export interface Location {
  readonly file: string;
  /** The built-in file: its relative paths and its source are those of the quickstart. */
  readonly builtIn: boolean;
  /** What a problem with the file as a whole is put down to. */
  readonly named: string;
}

/** The text of a file, or a sentence that says why there is none. */
export type Read = { readonly text: string } | { readonly failure: string };

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'reading it is not permitted',
  EPERM: 'reading it is not permitted',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is no directory',
  ELOOP: 'its symbolic links lead in a circle',
  ENAMETOOLONG: 'its name is too long',
};

const reason = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return reasons[(error as NodeJS.ErrnoException).code ?? ''] ?? error.message;
};

/** Reads a text of at most `limit` bytes; never more, whatever the file is (a pipe, a device). */
export const readText = async (file: string, limit: number): Promise<Read> => {
  try {
    const handle = await open(file, 'r');
    try {
      const buffer = Buffer.allocUnsafe(limit + 1);
      let length = 0;
      while (length <= limit) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      if (length > limit) return { failure: `it is larger than ${limit / 1024} KiB` };
      // Fatal: a wrong byte in a path or a token must not become a replacement character. Strips one BOM.
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length)) };
    } finally {
      await handle.close();
    }
  } catch (error) {
    return { failure: error instanceof TypeError ? 'it is not UTF-8 text' : reason(error) };
  }
};

/** The file to load: `--config`, `$JWKSD_CONFIG`, the system's if it exists, else the built-in one. */
export const locate = async (given: {
  flag: string | undefined;
  environment: string | undefined;
  cwd: string;
  system?: string | undefined;
}): Promise<Location> => {
  const { flag, environment, cwd, system = systemFile } = given;
  if (flag !== undefined) return { file: path.resolve(cwd, flag), builtIn: false, named: '--config' };
  if (environment !== undefined && environment !== '') {
    return { file: path.resolve(cwd, environment), builtIn: false, named: 'JWKSD_CONFIG' };
  }
  const exists = await access(system, constants.F_OK).then(
    () => true,
    () => false,
  );
  return exists
    ? { file: system, builtIn: false, named: system }
    : { file: builtInFile, builtIn: true, named: builtInFile };
};
