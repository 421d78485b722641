import { createHash } from 'node:crypto';
import { isCurrent } from './record.ts';
import type { PublishedKeys, RegisteredKey } from './store.ts';

/** What to publish of a client's records, which come in the order of their `jkt`. */
export const publishedKeys = (records: readonly RegisteredKey[], now: number): PublishedKeys => {
  const keys = records.filter((record) => isCurrent(record, now));
  const revision = createHash('sha256')
    .update(JSON.stringify(keys.map(({ jwk }) => jwk)))
    .digest('base64url');
  return {
    keys,
    revision,
    validUntil: keys.length === 0 ? undefined : Math.min(...keys.map(({ expiresAt }) => expiresAt)),
  };
};
