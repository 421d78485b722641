import { link, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { JwksdError } from '../../errors.ts';
import { admitJwk } from '../../jwk/admit.ts';
import type { Key } from '../../jwk/key.ts';
import { stage, sweepAbandoned, syncDirectory, writeDurably } from '../../sources/durable-file.ts';
import { exclusively } from '../../sources/file-lock.ts';
import { codeOf, exists, makeDirectories, targetOf, type KeyFiles } from './key-files.ts';
import { patience, readSet, withSet } from './set-file.ts';

/** A pair on its way into its files. */
export interface NewPair {
  /** The private key as it is written. */
  readonly privatePem: string;
  readonly key: Key;
}

/** How a pair is written. */
export interface WritePairOptions {
  /** Replace the pair of this name, and in the set the key it had. */
  readonly force: boolean;
  /** Refuse to put keys of two types into the set. */
  readonly oneKty: boolean;
}

/** What writing did beside the files themselves; sentences for the user. */
export interface WrittenPair {
  readonly notes: readonly string[];
}

/**
 * What is about to get its name, kept beside the staged private key until all is done.
 *
 * Three files cannot be replaced at one instant. From the moment this note is on disk the pair is decided: whoever runs
 * next on the directory completes it, step by step, and each step may be done twice.
 */
interface Pending {
  readonly files: KeyFiles;
  readonly jwk: Key['jwk'];
  readonly thumbprint: string;
  readonly stagedPrivate: string;
  readonly force: boolean;
  /** Thumbprints that leave the set at the end. */
  readonly replaced: readonly string[];
  /** Whether there was a set before. */
  readonly setWasThere: boolean;
}

/**
 * Writes a pair: the private key (0600 in a 0700 directory), the public JWK, and the set with the public key added.
 *
 * At any moment each file is the old or the new one, and the set has the public half of whatever private key is in
 * place: it is added first, and the key it replaces leaves last. Runs at the same time wait for each other.
 *
 * @throws {JwksdError} `failed` when a file or the kid exists and `force` is not set, or the set there is not a JWK Set.
 */
export const writePair = async (
  files: KeyFiles,
  pair: NewPair,
  options: WritePairOptions,
): Promise<WrittenPair> => {
  try {
    // Before anything is made: a set that is none refuses the whole.
    await readSet(files.jwkSet);
    const notes = await makeDirectories(files);
    const lock = path.join(path.dirname(files.privateKey), '.keys.lock');
    const more = await exclusively(lock, async () => await writeLocked(files, pair, options), { patience });
    return { notes: [...notes, ...more] };
  } catch (error) {
    if (!isFull(error)) throw error;
    throw new JwksdError('failed', 'there is no room left on the disk; nothing was changed', {
      cause: error,
    });
  }
};

const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(codeOf(error));

const writeLocked = async (
  files: KeyFiles,
  pair: NewPair,
  options: WritePairOptions,
): Promise<readonly string[]> => {
  const keys = path.dirname(files.privateKey);
  const notes = [...(await completePending(keys))];
  await sweepAbandoned(keys, isOurs, Number.POSITIVE_INFINITY);
  const { beside, replaced, note } = await judge(files, pair.key, options);
  if (note !== undefined) notes.push(note);
  const pending: Pending = {
    files,
    jwk: pair.key.jwk,
    thumbprint: pair.key.thumbprint,
    stagedPrivate: await stage(files.privateKey, [pair.privatePem], 0o600),
    force: options.force,
    replaced,
    setWasThere: await exists(files.jwkSet),
  };
  try {
    await writeDurably(noteOf(keys), [`${JSON.stringify(pending)}\n`], { mode: 0o600, replace: true });
    await complete(pending);
  } catch (error) {
    throw await afterFailure(pending, error);
  }
  if (!pending.setWasThere && beside > 0) {
    notes.push(`${files.jwkSet} was not there: it was made of the public keys beside it`);
  }
  if (replaced.length > 0) {
    notes.push(`the replaced key left ${files.jwkSet}: tokens it signed are not accepted any more`);
  }
  return notes;
};

const isOurs = (name: string): boolean => /_private\.pem$|^\.pending\.json$/u.test(name);

const noteOf = (keys: string): string => path.join(keys, '.pending.json');

/** Takes the pair back where that can be done; otherwise the error says how it goes on. */
const afterFailure = async (pending: Pending, error: unknown): Promise<unknown> => {
  if (await withdraw(pending).catch(() => false)) return error;
  const why = isFull(error) ? 'there is no room left on the disk' : (error as Error).message;
  return new JwksdError('failed', `${why}; the next keys generate in this directory completes the pair`, {
    cause: error,
  });
};

interface Judgement {
  /** Number of keys that are in the set already. */
  readonly beside: number;
  /** Thumbprints of the keys of the set that the pair replaces. */
  readonly replaced: readonly string[];
  readonly note: string | undefined;
}

/** Whether the pair may be written, and what that does to the set. */
const judge = async (files: KeyFiles, key: Key, options: WritePairOptions): Promise<Judgement> => {
  if (!options.force) {
    for (const file of [files.privateKey, files.publicJwk]) if (await exists(file)) throw taken(file);
  }
  const before = await thumbprintIn(files.publicJwk);
  const entries = await readSet(await targetOf(files.jwkSet));
  const sameKid = entries.filter((entry) => (entry as { kid?: unknown } | null)?.kid === key.jwk.kid);
  if (!options.force && sameKid.length > 0) {
    throw new JwksdError(
      'failed',
      `${files.jwkSet} has a key of the kid ${JSON.stringify(key.jwk.kid)} already; choose another --kid, or --force to replace it`,
    );
  }
  const present = new Map(entries.map((entry) => [entry, thumbprintOf(entry)]));
  const replaced = entries.filter(
    (entry) => sameKid.includes(entry) || (before !== undefined && present.get(entry) === before),
  );
  const types = new Set(
    entries
      .filter((entry) => !replaced.includes(entry))
      .map((entry) => String((entry as { kty?: unknown } | null)?.kty)),
  );
  types.delete(key.jwk.kty);
  const mixture = `${files.jwkSet} holds keys of type ${[...types].join(', ')} beside ${key.jwk.kty}: Opencast 19 fails on a set of two types`;
  if (options.oneKty && types.size > 0) {
    const wayOut = 'put this pair under another --dir, or choose an --alg of the same type';
    throw new JwksdError('failed', `${mixture}; ${wayOut}`);
  }
  return {
    beside: entries.length,
    replaced: replaced.map((entry) => present.get(entry)).filter((print) => print !== undefined),
    note: types.size > 0 ? mixture : undefined,
  };
};

const thumbprintOf = (entry: unknown): string | undefined => {
  const admission = admitJwk(entry, { origin: 'file' });
  return admission.ok ? admission.key.thumbprint : undefined;
};

const thumbprintIn = async (publicJwk: string): Promise<string | undefined> => {
  try {
    return thumbprintOf(JSON.parse(await readFile(publicJwk, 'utf8')));
  } catch {
    return undefined;
  }
};

const taken = (file: string): JwksdError =>
  new JwksdError(
    'failed',
    `${file} exists and is not overwritten; choose another --name, or --force to replace it`,
  );

/** Every step of a pair, in the order that keeps set and private key together; what was done before is not done again. */
const complete = async (pending: Pending): Promise<void> => {
  const { files, jwk, thumbprint, stagedPrivate, force, replaced } = pending;
  await withSet(files, async (set) => {
    await set.edit((entries) =>
      entries.some((entry) => thumbprintOf(entry) === thumbprint) ? entries : [...entries, jwk],
    );
  });
  if (force) await rename(stagedPrivate, files.privateKey).catch(ignore('ENOENT'));
  else await linkOnce(stagedPrivate, files.privateKey);
  await syncDirectory(path.dirname(files.privateKey));
  await withSet(files, async (set) => {
    await writePublic(files.publicJwk, `${JSON.stringify(jwk, undefined, 2)}\n`, force);
    await set.edit((entries) => entries.filter((entry) => !replaced.includes(thumbprintOf(entry) ?? '')));
  });
  await rm(noteOf(path.dirname(files.privateKey)), { force: true });
  await rm(stagedPrivate, { force: true });
};

/** Gives a staged file its name; a file of this name is an error unless it is the staged one. */
const linkOnce = async (staged: string, file: string): Promise<void> => {
  try {
    await link(staged, file);
  } catch (error) {
    // Done before, and the staged name is gone since.
    if (codeOf(error) === 'ENOENT' && (await exists(file))) return;
    if (codeOf(error) !== 'EEXIST') throw error;
    if (!(await isSame(staged, file))) throw taken(file);
  }
};

const isSame = async (left: string, right: string): Promise<boolean> => {
  const [a, b] = await Promise.all(
    [left, right].map(async (file) => await stat(file, { bigint: true }).catch(() => undefined)),
  );
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
};

const writePublic = async (file: string, text: string, force: boolean): Promise<void> => {
  try {
    await writeDurably(file, [text], { mode: 0o644, replace: force });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    if ((await readFile(file, 'utf8').catch(() => '')) !== text) throw taken(file);
  }
};

/**
 * Takes back a pair that could not be completed; false when its private key has replaced another already, which is not
 * taken back.
 */
const withdraw = async (pending: Pending): Promise<boolean> => {
  const { files, thumbprint, stagedPrivate, force } = pending;
  if (force && !(await exists(stagedPrivate))) return false;
  const keys = path.dirname(files.privateKey);
  if (!force && (await thumbprintIn(files.publicJwk)) === thumbprint)
    await rm(files.publicJwk, { force: true });
  const isThis = (entry: unknown): boolean => thumbprintOf(entry) === thumbprint;
  // A full disk may have no room for the lock either, and often there is nothing to take out.
  if ((await readSet(files.jwkSet)).some((entry) => isThis(entry))) {
    await withSet(files, async (set) => {
      await set.edit((entries) => entries.filter((entry) => !isThis(entry)));
      if (!pending.setWasThere && (await readSet(files.jwkSet)).length === 0)
        await rm(files.jwkSet, { force: true });
    });
  }
  if (!force && (await isSame(stagedPrivate, files.privateKey))) await rm(files.privateKey, { force: true });
  await rm(noteOf(keys), { force: true });
  await rm(stagedPrivate, { force: true });
  return true;
};

/** Completes the pair of a run that was killed; resolves with what to tell about it. */
const completePending = async (keys: string): Promise<readonly string[]> => {
  let pending: Pending;
  try {
    pending = JSON.parse(await readFile(noteOf(keys), 'utf8')) as Pending;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  const what = `a run that was interrupted had begun ${pending.files.privateKey}`;
  try {
    await complete(pending);
    return [`${what}; it is complete now`];
  } catch (error) {
    // Files in its way, or a directory that was moved since.
    if (!(error instanceof JwksdError) && codeOf(error) !== 'ENOENT') throw error;
    await withdraw(pending).catch(ignore('ENOENT'));
    await rm(noteOf(keys), { force: true });
    return [`${what}; it was taken back: ${(error as Error).message}`];
  }
};

const ignore =
  (code: string) =>
  (error: unknown): void => {
    if (codeOf(error) !== code) throw error;
  };
