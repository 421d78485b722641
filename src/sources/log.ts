import type { ParsedSet } from '../jwk/key.ts';
import type { KeyChanges, Log, SourceError, SourceStatus } from './source.ts';

/** Something odd about the last input of a source. */
export interface Note {
  /** The code that metrics and `check` use too. */
  readonly reason: string;
  /** A sentence for people; holds no key material. */
  readonly detail: string;
  readonly kid?: string | undefined;
  /** Position in its set, from 0. */
  readonly index?: number | undefined;
}

/** As many notes are told, by each log and status; the rest is a number. */
const mostNotes = 20;

/** The most serious first: a private key must not drown in broken files. */
const bySeverity = (notes: readonly Note[]): Note[] => {
  const isSerious = ({ reason }: Note): number => (reason === 'private_material' ? 0 : 1);
  return [...notes].sort((a, b) => isSerious(a) - isSerious(b));
};

/** What is odd about the keys of a set. */
export const notesOf = ({ rejected, warnings }: ParsedSet): readonly Note[] => [
  ...rejected,
  ...warnings.map(({ code, ...rest }) => ({ reason: code, ...rest })),
];

/** The notes that were not there before: what was told once is not told at every poll. */
export const newNotes = (before: readonly Note[], after: readonly Note[]): readonly Note[] => {
  const textOf = ({ reason, detail, kid }: Note): string => `${reason} ${kid ?? ''} ${detail}`;
  const told = new Set(before.map(textOf));
  return after.filter((note) => !told.has(textOf(note)));
};

/** Logs notes as warnings, and those of private keys at `privateLevel`: whose they are decides how bad it is. */
export const logNotes = (
  log: Log,
  source: string,
  notes: readonly Note[],
  privateLevel: 'warn' | 'error',
): void => {
  for (const { reason, detail, kid } of bySeverity(notes).slice(0, mostNotes)) {
    log[reason === 'private_material' ? privateLevel : 'warn']({ source, reason, kid }, detail);
  }
  if (notes.length > mostNotes) log.warn({ source }, `and ${notes.length - mostNotes} more like these`);
};

/** Notes as sentences, each with its code and its key. */
export const tellNotes = (notes: readonly Note[]): readonly string[] => {
  const told = bySeverity(notes)
    .slice(0, mostNotes)
    .map(({ reason, detail, kid, index }) => {
      const entry = index === undefined ? '' : ` (entry ${index})`;
      return `${reason}: ${detail}${kid === undefined ? entry : ` (kid ${kid})`}`;
    });
  return notes.length > mostNotes ? [...told, `and ${notes.length - mostNotes} more`] : told;
};

/** Logs what changed among the keys; nothing when nothing did. */
export const logChanges = (log: Log, source: string, keys: number, changes: KeyChanges): void => {
  const happened = Object.fromEntries(Object.entries(changes).filter(([, count]) => count > 0));
  if (Object.keys(happened).length > 0) log.info({ source, keys, ...happened }, 'keys changed');
};

/** 1, 2, 4, 8 …: a long outage is logged, not shouted. */
const isPowerOfTwo = (n: number): boolean => (n & (n - 1)) === 0;

/** Logs a failed cycle of an upstream, at the edge and then ever more rarely. */
export const logFailure = (
  log: Log,
  source: string,
  { code, detail }: SourceError,
  counts: { readonly failures: number; readonly keys: number },
): void => {
  if (isPowerOfTwo(counts.failures)) log.warn({ source, code, ...counts }, `upstream failed: ${detail}`);
};

/** What is odd about the last body of an upstream: logged when it is new, told as long as it lasts. */
export class Findings {
  readonly #log: Log;
  readonly #source: string;
  #parsed: ParsedSet | undefined;

  constructor(log: Log, source: string) {
    this.#log = log;
    this.#source = source;
  }

  get told(): Pick<SourceStatus, 'rejected' | 'notes'> {
    const parsed = this.#parsed;
    if (parsed === undefined) return { rejected: {}, notes: [] };
    return { rejected: { ...parsed.rejectedCounts }, notes: tellNotes(notesOf(parsed)) };
  }

  read(parsed: ParsedSet): void {
    const before = this.#parsed === undefined ? [] : notesOf(this.#parsed);
    this.#parsed = parsed;
    logNotes(this.#log, this.#source, newNotes(before, notesOf(parsed)), 'error');
  }
}
