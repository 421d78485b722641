import { chmod, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { JwksdError } from '../../errors.ts';
import { entriesOf } from '../../jwk/parse-set.ts';
import { writeDurably } from '../../sources/durable-file.ts';
import type { SigningPair } from './key-pair.ts';

/** The files of a key pair, absolute. */
export interface KeyFiles {
  readonly privateKey: string;
  readonly publicJwk: string;
  readonly jwkSet: string;
}

/** Names that may become part of a file name: no path, no hidden file, nothing a shell would mind. */
const fileName = /^(?!\.)[A-Za-z0-9._-]{1,100}$/u;

/** Where the pair `name` lives below `directory`. @throws {JwksdError} `usage` for a name that is no file name. */
export const keyFiles = (directory: string, name: string): KeyFiles => {
  if (!fileName.test(name)) {
    throw new JwksdError(
      'usage',
      `${JSON.stringify(name)} cannot be a name: use 1 to 100 of A-Z a-z 0-9 . _ -, not starting with a dot`,
    );
  }
  return {
    privateKey: path.join(directory, 'keys', `${name}_private.pem`),
    publicJwk: path.join(directory, 'outputs', `${name}_public.jwk.json`),
    jwkSet: path.join(directory, 'outputs', 'jwks.json'),
  };
};

/**
 * Writes a pair: the private key (0600 in a 0700 directory), the public JWK, and the set with the public key added.
 *
 * Each file appears complete or not at all. The private key comes first: a public key without its private half would be
 * published for nobody.
 *
 * @throws {JwksdError} `failed` when a file exists and `force` is not set, or the set there is not a JWK Set.
 */
export const writeKeyFiles = async (files: KeyFiles, pair: SigningPair, force: boolean): Promise<void> => {
  const set = await addToSet(files.jwkSet, pair);
  const privateDirectory = path.dirname(files.privateKey);
  await mkdir(privateDirectory, { recursive: true, mode: 0o700 });
  await chmod(privateDirectory, 0o700);
  const publicDirectory = path.dirname(files.jwkSet);
  // Made here or not: whoever may write into it may add a key that is then trusted.
  if ((await mkdir(publicDirectory, { recursive: true, mode: 0o755 })) !== undefined)
    await chmod(publicDirectory, 0o755);
  if (!force) await refuseExisting(files.publicJwk);
  await write(files.privateKey, pair.privatePem, 0o600, force);
  await write(files.publicJwk, `${JSON.stringify(pair.key.jwk, undefined, 2)}\n`, 0o644, force);
  await write(files.jwkSet, set, 0o644, true);
};

const refuseExisting = async (file: string): Promise<void> => {
  try {
    await readFile(file);
  } catch {
    return;
  }
  throw exists(file);
};

const exists = (file: string): JwksdError =>
  new JwksdError(
    'failed',
    `${file} exists and is not overwritten; choose another --name, or --force to replace it`,
  );

/** The text of the set at `file` with the pair's public key added; a key of the same `kid` is replaced. */
const addToSet = async (file: string, { key }: SigningPair): Promise<string> => {
  let entries: readonly unknown[] = [];
  try {
    const decoded = entriesOf(JSON.parse(await readFile(file, 'utf8')));
    if (!decoded.ok) throw new JwksdError('failed', `${file}: ${decoded.detail}; move it away first`);
    ({ entries } = decoded);
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new JwksdError('failed', `${file} is not JSON; move it away first`);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const others = entries.filter((entry) => (entry as { kid?: unknown } | null)?.kid !== key.jwk.kid);
  return `${JSON.stringify({ keys: [...others, key.jwk] }, undefined, 2)}\n`;
};

const write = async (file: string, text: string, mode: number, replace: boolean): Promise<void> => {
  try {
    await writeDurably(file, [text], { mode, replace });
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? exists(file) : error;
  }
};
