import { readBounded } from './read-bounded.ts';

const largest = 64 * 1024;

/**
 * The secret in a file, without the white space around it; undefined when there is none, or more than 64 KiB.
 *
 * Read again for every use, so a secret is changed by changing its file. Rejects when the file cannot be read.
 */
export const readSecretFile = async (file: string): Promise<string | undefined> => {
  const secret = (await readBounded(file, largest))?.toString().trim();
  return secret === '' ? undefined : secret;
};
