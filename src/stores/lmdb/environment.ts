import { open as openFile } from 'node:fs/promises';
import path from 'node:path';
import type { Database, RootDatabase, RootDatabaseOptionsWithPath } from 'lmdb';
import { makeDirectory } from '../make-directory.ts';
import { unavailable } from '../unavailable.ts';

/** A table: bytes to bytes, in the order of the keys. */
export type Table = Database<Buffer, Buffer>;

/** The open file and its tables. All keys start with digests, so that they have one length, whatever a client is called. */
export interface Environment {
  readonly root: RootDatabase<Buffer, Buffer>;
  /** Position (client, key) to a record. */
  readonly records: Table;
  /** Key, then client: who has a key. No value. */
  readonly holders: Table;
  /** Client, then digest of the `jti`, to its end. */
  readonly replays: Table;
  /** Digest of the nonce to its end. */
  readonly nonces: Table;
  /** End, kind, and the key there: what a sweep walks along. No value. */
  readonly ends: Table;
  /** `format`, and `changes`, which counts writes of all processes. */
  readonly meta: Table;
}

const format = 1;
/** Behind the header of the first page; two pages of 4,096 bytes are the least there can be. */
const magicAt = 24;
const magic = 0xbeefc0de;
const leastSize = 8192;
const formatKey = Buffer.from('format');

/**
 * Opens the directory, and makes it where there is none.
 *
 * `overlappingSync` is off: a transaction is then committed after it was flushed, by LMDB's own protocol. With it, what
 * was committed but not yet flushed is visible to readers, and when the disk is full `flushed` never settles.
 *
 * @throws {JwksdError} `store_unavailable`
 */
export const openEnvironment = async (directory: string): Promise<Environment> => {
  try {
    await makeDirectory(directory, 0o700);
    await checkMagic(path.join(directory, 'data.mdb'));
    // Native, and of no use to a server without registrations: loaded here and nowhere else.
    const { open } = await import('lmdb');
    const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
    const options: RootDatabaseOptionsWithPath & { permissionsMode: number } = {
      ...binary,
      path: directory,
      // Else a directory with a dot in its name would be taken for a file.
      noSubdir: false,
      overlappingSync: false,
      // Its batches hold a promise that nobody can handle: a failed commit would end the process.
      eventTurnBatching: false,
      maxDbs: 8,
      permissionsMode: 0o600,
    };
    const root = open<Buffer, Buffer>(options);
    const table = (name: string): Table => root.openDB<Buffer, Buffer>(name, binary);
    const environment = {
      root,
      records: table('records'),
      holders: table('holders'),
      replays: table('replays'),
      nonces: table('nonces'),
      ends: table('ends'),
      meta: table('meta'),
    };
    await checkFormat(environment);
    return environment;
  } catch (error) {
    if (error instanceof Error && error.name === 'JwksdError') throw error;
    throw unavailable(
      `${directory} cannot be opened as a store of registered keys: ${String(error)}. ` +
        'Make sure that jwksd may write there and that the directory holds nothing else',
      error,
    );
  }
};

/** LMDB reads the first two pages of a file without doubt: one that is not its own would end the process, not the start. */
async function checkMagic(file: string): Promise<void> {
  const handle = await openFile(file, 'r').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (handle === undefined) return;
  try {
    const { size } = await handle.stat();
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, magicAt);
    if (size > 0 && (size < leastSize || buffer.readUInt32LE() !== magic))
      throw new Error(`${file} is not an LMDB file, or is damaged`);
  } finally {
    await handle.close();
  }
}

async function checkFormat({ root, meta }: Environment): Promise<void> {
  const found = meta.get(formatKey);
  if (found === undefined) await root.childTransaction(() => void meta.put(formatKey, Buffer.from([format])));
  else if (found[0] !== format) {
    await root.close();
    throw unavailable(
      `The store has format ${found[0] ?? 'nothing'}, this version of jwksd reads ${format}: use the version that wrote it`,
    );
  }
}
