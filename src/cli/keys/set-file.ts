import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { JwksdError } from '../../errors.ts';
import { admitJwk, privateMembers } from '../../jwk/admit.ts';
import { parseJson } from '../../jwk/json.ts';
import { entriesOf } from '../../jwk/parse-set.ts';
import { sweepAbandoned, writeDurably } from '../../sources/durable-file.ts';
import { exclusively } from '../../sources/file-lock.ts';
import { codeOf, exists, targetOf, type KeyFiles } from './key-files.ts';

/** Milliseconds a run waits for another one: longer than the lock of a process that was killed on another host is respected. */
export const patience = 15_000;

/** The entries of the set at `file`, as they stand; when there is no file, the public keys beside it. @throws {JwksdError} `failed` for no JWK Set, or secrets in it. */
export const readSet = async (file: string): Promise<readonly unknown[]> => {
  try {
    const decoded = entriesOf(JSON.parse((await readFile(file, 'utf8')).replace(/^\uFEFF/u, '')));
    if (decoded.ok) return withoutSecrets(decoded.entries, file);
    throw new JwksdError('failed', `${file}: ${decoded.detail}; move it away first`);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return await publicKeysIn(path.dirname(file));
    if (error instanceof SyntaxError)
      throw new JwksdError('failed', `${file} is not JSON; move it away first`);
    throw error;
  }
};

const byName = (left: string, right: string): number => (left < right ? -1 : 1);

/** The keys of the public files of a directory, in the order of their names. */
const publicKeysIn = async (directory: string): Promise<readonly unknown[]> => {
  const names = await readdir(directory).catch(() => []);
  const keys = new Map<string, unknown>();
  for (const name of names.filter((each) => each.endsWith('_public.jwk.json')).toSorted(byName)) {
    const text = await readFile(path.join(directory, name), 'utf8').catch(() => '');
    const json = parseJson(text);
    const admission = json.ok ? admitJwk(json.value, { origin: 'file' }) : undefined;
    if (admission?.ok === true) keys.set(admission.key.thumbprint, admission.key.jwk);
  }
  return [...keys.values()];
};

/** The set is written for everybody to read, and served: what is secret in it is not written again. */
const withoutSecrets = (entries: readonly unknown[], file: string): readonly unknown[] => {
  const secret = entries.findIndex((entry) =>
    privateMembers.some((name) => typeof entry === 'object' && entry !== null && Object.hasOwn(entry, name)),
  );
  if (secret === -1) return entries;
  throw new JwksdError(
    'failed',
    `${file}: key ${secret + 1} is private or symmetric, and everybody may read this file; move it away first`,
  );
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
          if (after.length === before.length && (after.length === 0 || (await exists(target)))) return;
          const text = `${JSON.stringify({ keys: after }, undefined, 2)}\n`;
          await writeDurably(target, [text], { mode: 0o644, replace: true });
        },
      });
    },
    { patience },
  );
};
