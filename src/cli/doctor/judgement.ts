import type { Key } from '../../jwk/key.ts';

/** What a client writes to its log, and where we know that from. */
export interface Said {
  readonly text: string;
  /** False: the client's words are not known to us, and `text` says what it does. */
  readonly verbatim: boolean;
  /** The program and version the text was read in, or observed with. */
  readonly source: string;
}

/** Something found for one client: in our words, in the client's, and what to do. */
export interface Note {
  readonly level: 'error' | 'warning';
  /** Stable; that of `src/jwk/lint-rules.ts` where lint knows the same defect. */
  readonly code: string;
  readonly detail: string;
  readonly says?: Said;
  readonly next: string;
}

/** What a client makes of one entry of the set, or of one PEM. */
export interface KeyVerdict {
  /** For people: the `kid`, else the position. */
  readonly label: string;
  /** As it was sent, uncut; absent when there is none. */
  readonly kid: string | undefined;
  readonly kty: string | undefined;
  readonly alg: string | undefined;
  readonly taken: boolean;
  /** Why it is not taken, or what is odd about it although it is. */
  readonly why?: Note;
  /** The key itself; absent when we would not admit it. */
  readonly key: Key | undefined;
}

/** What one client, in one version, makes of what it was answered. */
export interface Judgement {
  readonly keys: readonly KeyVerdict[];
  readonly notes: readonly Note[];
}

/** A judgement of a set that the client does not take at all: what else is wrong with its keys does not matter yet. */
export const takesNothing = (note: Note, keys: readonly KeyVerdict[] = []): Judgement => ({
  keys: keys.map((key) => ({ ...key, taken: false, why: note })),
  notes: [note],
});

/** Something that keeps a key, or all keys, from the client. */
export const error = (
  code: string,
  detail: string,
  next: string,
  says?: Said,
): Note & { readonly level: 'error' } => ({
  level: 'error',
  code,
  detail,
  next,
  ...(says === undefined ? {} : { says }),
});

/** Something the client survives. */
export const warning = (code: string, detail: string, next: string, says?: Said): Note => ({
  ...error(code, detail, next, says),
  level: 'warning',
});

/** What a client is known to do, where its words are not. */
export const inWords = (text: string, source: string): Said => ({ text, verbatim: false, source });

/** What a client writes, letter for letter. */
export const quote = (text: string, source: string): Said => ({ text, verbatim: true, source });
