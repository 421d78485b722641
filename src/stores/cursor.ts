import { JwksdError } from '../errors.ts';
import { textDigest } from './client-key.ts';
import type { ListOptions, Page, RegisteredKey } from './store.ts';

const digestLength = 32;

/** Where a record stands in every list: 32 bytes of its client, then 32 of its key. Random, so that no write moves it. */
export const positionOf = (clientId: string, jkt: string): Buffer =>
  Buffer.concat([textDigest(clientId), Buffer.from(jkt, 'base64url')]);

/** Whether a text is a thumbprint: anything else cannot name a registered key. */
export const isThumbprint = (jkt: string): boolean => /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/u.test(jkt);

/** The positions a page lies between: after `from`, and before `to` where the list ends. */
export interface Range {
  readonly from: Buffer;
  readonly to: Buffer;
}

/**
 * What `list` is to read.
 *
 * @throws {JwksdError} `bad_request` for a cursor of another list
 */
export const rangeOf = ({ clientId, after }: ListOptions): Range => {
  const client = clientId === undefined ? undefined : textDigest(clientId);
  const to = Buffer.concat([
    client ?? Buffer.alloc(digestLength, 0xff),
    Buffer.alloc(digestLength + 1, 0xff),
  ]);
  if (after === undefined) return { from: client ?? Buffer.alloc(1), to };
  const from = Buffer.from(after, 'base64url');
  const ours = from.length === 2 * digestLength && from.toString('base64url') === after;
  if (!ours || (client !== undefined && !from.subarray(0, digestLength).equals(client)))
    throw new JwksdError('bad_request', 'The cursor is not one that this list gave');
  return { from, to };
};

/**
 * Makes a page of up to `limit` + 1 that were found: the one too many tells that there is a next page. `read` may leave
 * some out; the list goes on behind them.
 */
export const pageOf = <Found extends { readonly position: Buffer }>(
  found: readonly Found[],
  limit: number,
  read: (shown: readonly Found[]) => readonly RegisteredKey[],
): Page => {
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  const records = read(shown);
  return last === undefined || found.length <= limit
    ? { records }
    : { records, next: last.position.toString('base64url') };
};
