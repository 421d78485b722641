import type { ParsedSet } from '../jwk/key.ts';
import type { KeyChanges, Log } from './source.ts';

/** Logs the first keys of a set that were not admitted; a private key at an upstream is an error. */
export const logRejections = (log: Log, source: string, { rejected }: ParsedSet): void => {
  for (const { reason, detail, kid } of rejected.slice(0, 10)) {
    const level = reason === 'private_material' ? 'error' : 'warn';
    log[level]({ source, reason, kid }, `key not admitted: ${detail}`);
  }
};

/** Logs what changed among the keys; nothing when nothing did. */
export const logChanges = (log: Log, source: string, keys: number, changes: KeyChanges): void => {
  const happened = Object.fromEntries(Object.entries(changes).filter(([, count]) => count > 0));
  if (Object.keys(happened).length > 0) log.info({ source, keys, ...happened }, 'keys changed');
};

/** Sentences about keys that were not admitted or are odd, at most 20. */
export const notesOf = (parsed: ParsedSet): readonly string[] =>
  [...parsed.rejected.map(({ reason, ...rest }) => ({ code: reason, ...rest })), ...parsed.warnings]
    .slice(0, 20)
    .map(({ code, detail, kid }) => `${code}: ${detail}${kid === undefined ? '' : ` (kid ${kid})`}`);
