import { textDigest } from '../client-key.ts';
import { encodeRecord, type Ending, type StoredRecord } from '../record.ts';
import type { RegisteredKey } from '../store.ts';
import { revocationReasons } from '../store.ts';

/** What can end; the tag of an entry among `ends`. */
export const kinds = { record: 1, replay: 2, nonce: 3 } as const;

/** One of the tags. */
export type Kind = (typeof kinds)[keyof typeof kinds];

const empty = Buffer.alloc(0);

/** The value where a key says everything. */
export const nothing: Buffer = empty;

/** A date as eight bytes that sort like it. */
export const encodeTime = (time: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(Math.max(0, Math.floor(time))));
  return bytes;
};

/** Reads a date at the start of some bytes. */
export const decodeTime = (bytes: Buffer): number => Number(bytes.readBigUInt64BE(0));

/** Key of a replay entry. */
export const replayKey = (clientId: string, jti: string): Buffer =>
  Buffer.concat([textDigest(clientId), textDigest(jti)]);

/** Key of a nonce. Its digest: who reads the file learns no nonce that is still good. */
export const nonceKey = (nonce: string): Buffer => textDigest(nonce);

/** Key of an entry among `ends`. */
export const endKey = (end: number, kind: Kind, key: Buffer): Buffer =>
  Buffer.concat([encodeTime(end), Buffer.from([kind]), key]);

/** Takes a key of `ends` apart. */
export const readEnd = (bytes: Buffer): { end: number; kind: number | undefined; key: Buffer } => ({
  end: decodeTime(bytes),
  kind: bytes[8],
  key: bytes.subarray(9),
});

/** Key and client of a position the other way round. */
export const holderKey = (position: Buffer): Buffer =>
  Buffer.concat([position.subarray(32), position.subarray(0, 32)]);

/** A record as it is stored: reason of the revocation (0: none), end, JSON. */
export const encodeEntry = (record: RegisteredKey): Buffer =>
  Buffer.concat([
    Buffer.from([record.revoked === undefined ? 0 : 1 + revocationReasons.indexOf(record.revoked.reason)]),
    encodeTime(record.expiresAt),
    Buffer.from(encodeRecord(record), 'latin1'),
  ]);

/** How a stored record ends, read without its JSON: a decision looks at all records of a client. */
export const readHead = (entry: Buffer): Ending => {
  const reason = revocationReasons[(entry[0] ?? 0) - 1];
  return {
    revoked: reason === undefined ? undefined : { reason },
    expiresAt: decodeTime(entry.subarray(1)),
  };
};

/** A stored record, for `decodeRecord`. */
export const readEntry = (position: Buffer, entry: Buffer): StoredRecord => ({
  position,
  text: entry.toString('latin1', 9),
});
