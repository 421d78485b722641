import type { Key, ParsedSet } from '../../jwk/key.ts';
import type { Log } from '../source.ts';

/** Logs the first keys of a set that were not admitted; a private key at an upstream is an error. */
export const logRejections = (log: Log, source: string, { rejected }: ParsedSet): void => {
  for (const { reason, detail, kid } of rejected.slice(0, 10)) {
    const level = reason === 'private_material' ? 'error' : 'warn';
    log[level]({ source, reason, kid }, `key not admitted: ${detail}`);
  }
};

/** Logs how many keys came and went. */
export const logChanges = (log: Log, source: string, before: readonly Key[], after: readonly Key[]): void => {
  const had = new Set(before.map((key) => key.json));
  const has = new Set(after.map((key) => key.json));
  const added = after.filter((key) => !had.has(key.json)).length;
  const removed = before.filter((key) => !has.has(key.json)).length;
  log.info({ source, keys: after.length, added, removed }, 'keys changed');
};
