import type { BigIntStats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Key, ParsedSet, RejectReason } from '../jwk/key.ts';
import { parseKeyFile, type KeyFileOptions } from '../jwk/parse-file.ts';
import { notesOf, type Note } from './log.ts';
import { paced } from './pace.ts';
import { readBounded } from './read-bounded.ts';

/** What one look at the key files found. */
export interface FileReport {
  /** In the order of the file names; a key that several files hold is there once. */
  readonly keys: readonly Key[];
  readonly rejectedCounts: Readonly<Partial<Record<RejectReason, number>>>;
  readonly notes: readonly Note[];
  /** Set when keys are served that the last look could not confirm, or nothing could be read at all. */
  readonly error: { readonly code: string; readonly detail: string } | undefined;
}

interface Trouble {
  readonly code: string;
  readonly detail: string;
  /** Of the content that was turned away. */
  readonly rejectedCounts?: FileReport['rejectedCounts'];
}

/** What is known of one file. */
interface Known {
  /** Identity, size and times when it was read; equal means unread since. */
  readonly stamp: string;
  /** Wall milliseconds of that reading. */
  readonly readAt: number;
  /** The last reading that gave keys. */
  readonly good: ParsedSet | undefined;
  /** Why the last reading gave none. */
  readonly trouble: Trouble | undefined;
  readonly missed: number;
}

/** What a reader knows of its files, by path. */
export type KnownFiles = ReadonlyMap<string, Known>;

const maxFileBytes = 16 * 1024 * 1024;
const maxKeys = 20_000;
/** A file that changed this shortly before it was read may have changed again within the same tick of its clock. */
const settleMs = 3000;
/** Troubles that may be over without the file looking any different. */
const passing: ReadonlySet<string> = new Set(['unreadable', 'incomplete']);

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'error';
const stampOf = (s: BigIntStats): string => [s.dev, s.ino, s.size, s.mtimeNs, s.ctimeNs].join(' ');
const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** What is known of the algorithms of keys in files. */
export type AlgsOfFiles = Pick<KeyFileOptions, 'rsaAlg' | 'onlyAlg'>;

/**
 * Reads a file or directory of keys again and again and remembers the last good content of each file.
 *
 * Contents decide, not events: symbolic links are followed on every look, so a Kubernetes volume that swaps its links is
 * noticed. A file whose identity, size and times are unchanged is not read again.
 */
export class FileReader {
  readonly #path: string;
  readonly #algs: AlgsOfFiles;
  readonly #known = new Map<string, Known>();

  constructor(location: string, { rsaAlg, onlyAlg }: AlgsOfFiles) {
    this.#path = location;
    this.#algs = { rsaAlg, onlyAlg };
  }

  get known(): KnownFiles {
    return this.#known;
  }

  /** Takes over the last good content of files from another reader of the path; each is read again. */
  inherit(known: KnownFiles): void {
    for (const [file, entry] of known) this.#known.set(file, { ...entry, stamp: '' });
  }

  /**
   * Looks at every file once; `wall` is the time of the look in milliseconds since the epoch. Never rejects.
   *
   * `forget: false` does not count files as missing: two looks in the same instant prove no more than one.
   */
  async read(wall: number, { forget = true }: { readonly forget?: boolean } = {}): Promise<FileReport> {
    const listed = await this.#list();
    const present = new Set<string>();
    for (const file of listed.files) if (await this.#look(file, wall)) present.add(file);
    if (listed.complete && forget) this.#miss(present);
    return this.#report(listed.error);
  }

  /** The files there are now; `complete` when files that are not among them are really gone. */
  async #list(): Promise<{ files: string[]; complete: boolean; error: FileReport['error'] }> {
    try {
      if (!(await stat(this.#path)).isDirectory())
        return { files: [this.#path], complete: true, error: undefined };
      const names = await readdir(this.#path);
      const visible = names.filter((name) => !name.startsWith('.')).sort(byName);
      return { files: visible.map((name) => path.join(this.#path, name)), complete: true, error: undefined };
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') {
        return {
          files: [],
          complete: true,
          error: { code: 'not_found', detail: `${this.#path} does not exist` },
        };
      }
      return {
        files: [],
        complete: false,
        error: { code: 'unreadable', detail: `${this.#path} cannot be read (${code})` },
      };
    }
  }

  /** Reads one file if need be; false when there is no such file, or only a link to none. */
  async #look(file: string, wall: number): Promise<boolean> {
    const before = this.#known.get(file);
    const keep = (at: string, trouble: Trouble): true => {
      this.#known.set(file, { stamp: at, readAt: wall, good: before?.good, trouble, missed: 0 });
      return true;
    };
    let stamp = '';
    try {
      const stats = await stat(file, { bigint: true });
      stamp = stampOf(stats);
      const settled = before !== undefined && Number(stats.ctimeNs / 1_000_000n) < before.readAt - settleMs;
      if (before?.stamp === stamp && settled && !passing.has(before.trouble?.code ?? '')) {
        this.#known.set(file, { ...before, missed: 0 });
        return true;
      }
      if (stats.isDirectory() && before === undefined) return true;
      if (!stats.isFile())
        return keep(stamp, { code: 'not_a_file', detail: `${file} is not a regular file` });
      if (stats.size > BigInt(maxFileBytes)) {
        const detail = `${file} is larger than ${maxFileBytes / 1024 / 1024} MiB`;
        return keep(stamp, { code: 'too_large', detail });
      }
      const bytes = await readBounded(file, maxFileBytes);
      if (bytes === undefined)
        return keep(stamp, { code: 'too_large', detail: `${file} grew while it was read` });
      const options = { name: file, ...this.#algs, maxKeys };
      const parsed = await paced(parseKeyFile(bytes, options));
      if (parsed.keys.length > 0) {
        if (before?.good !== undefined && before.stamp !== stamp && looksCutOff(before.good, parsed)) {
          return keep(stamp, { code: 'incomplete', detail: `${file} seems to be in the middle of a change` });
        }
        this.#known.set(file, { stamp, readAt: wall, good: parsed, trouble: undefined, missed: 0 });
        return true;
      }
      const [why] = parsed.rejected;
      const reason = bytes.length === 0 ? 'the file is empty' : (why?.detail ?? 'it holds no keys');
      const { rejectedCounts } = parsed;
      return keep(stamp, { code: why?.reason ?? 'empty_set', detail: `${file}: ${reason}`, rejectedCounts });
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT') return false;
      return keep(stamp, { code: 'unreadable', detail: `${file} cannot be read (${code})` });
    }
  }

  /** Counts the files that are missing; the second time their keys go. */
  #miss(present: ReadonlySet<string>): void {
    for (const [file, known] of this.#known) {
      if (present.has(file)) continue;
      if (known.missed >= 1) this.#known.delete(file);
      else this.#known.set(file, { ...known, missed: known.missed + 1 });
    }
  }

  #report(listing: FileReport['error']): FileReport {
    const keys = new Map<string, Key>();
    const counts: Partial<Record<RejectReason, number>> = {};
    const notes: Note[] = [];
    let error = listing;
    for (const file of [...this.#known.keys()].sort(byName)) {
      const { good, trouble } = this.#known.get(file) ?? {};
      if (trouble !== undefined) {
        const kept = good === undefined ? '' : `; its last ${good.keys.length} good keys stay`;
        notes.push({ reason: trouble.code, detail: `${trouble.detail}${kept}` });
        if (good !== undefined) error ??= trouble;
      }
      for (const key of good?.keys ?? []) {
        if (!keys.has(key.name)) keys.set(key.name, key);
      }
      for (const note of good === undefined ? [] : notesOf(good)) {
        notes.push(note.detail.includes(file) ? note : { ...note, detail: `${file}: ${note.detail}` });
      }
      const turnedAway = trouble === undefined ? good?.rejectedCounts : trouble.rejectedCounts;
      for (const [reason, count] of Object.entries(turnedAway ?? {})) {
        counts[reason as RejectReason] = (counts[reason as RejectReason] ?? 0) + count;
      }
    }
    return { keys: [...keys.values()], rejectedCounts: counts, notes, error };
  }
}

/** Whether new content lacks a key and has something unreadable instead, as a file has that is being written. */
const looksCutOff = (before: ParsedSet, now: ParsedSet): boolean => {
  const names = new Set(now.keys.map((key) => key.thumbprint));
  const lost = before.keys.some((key) => !names.has(key.thumbprint));
  return lost && (now.rejectedCounts.malformed ?? 0) > (before.rejectedCounts.malformed ?? 0);
};
