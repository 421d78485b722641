import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { JwksdError } from '../errors.ts';
import { writeDurably } from '../sources/durable-file.ts';
import { exclusively } from '../sources/file-lock.ts';
import { makeDirectory } from '../stores/make-directory.ts';

const DeniedKey = Type.Object({
  thumbprint: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
  reason: Type.String(),
  since: Type.String(),
});
const File = Type.Object({ format: Type.Literal(1), denied: Type.Array(DeniedKey) });

/** A key that must not be published, whoever lists it. */
export type DeniedKey = Static<typeof DeniedKey>;

/**
 * The keys an operator took out of every set: a compromised key stays away across refreshes and restarts.
 *
 * Kept in `denied.json` of the state directory, and in memory alone when there is none. A change is on disk before it is
 * acknowledged.
 */
export class DenyList {
  readonly #file: string | undefined;
  #denied: readonly DeniedKey[];
  #thumbprints: ReadonlySet<string>;
  #last: Promise<void> = Promise.resolve();

  private constructor(file: string | undefined, denied: readonly DeniedKey[]) {
    this.#file = file;
    this.#denied = denied;
    this.#thumbprints = new Set(denied.map(({ thumbprint }) => thumbprint));
  }

  /** An empty list that ends with the process. */
  static inMemory(): DenyList {
    return new DenyList(undefined, []);
  }

  /**
   * Reads the list; a missing file is an empty list.
   *
   * @throws {JwksdError} `deny_list_damaged`: a denied key must not come back unseen, so the start is refused.
   */
  static async open(directory: string | null): Promise<DenyList> {
    if (directory === null) return DenyList.inMemory();
    const file = path.join(directory, 'denied.json');
    return new DenyList(file, (await readEntries(file)) ?? []);
  }

  /** Looks at the file again, for what another process on the directory denied. Rejects as `open` does. */
  async reload(): Promise<void> {
    const file = this.#file;
    // In the queue: what was read before a change must not replace what came of it.
    if (file !== undefined) await this.#queued(async () => this.#become((await readEntries(file)) ?? []));
  }

  /** Thumbprints of the keys that must not be published. Another set whenever anything changed. */
  get thumbprints(): ReadonlySet<string> {
    return this.#thumbprints;
  }

  /** All entries, the oldest first. */
  list(): readonly DeniedKey[] {
    return this.#denied;
  }

  /** Denies a key; an entry that is there already gets the new reason and keeps its date. Rejects when the disk refuses. */
  async add(thumbprint: string, reason: string, since: Date): Promise<void> {
    await this.#change((denied) => {
      const before = denied.get(thumbprint);
      denied.set(thumbprint, { thumbprint, reason, since: before?.since ?? since.toISOString() });
    });
  }

  /** Allows a key again; one that was not denied is no error. Rejects when the disk refuses. */
  async remove(thumbprint: string): Promise<void> {
    await this.#change((denied) => void denied.delete(thumbprint));
  }

  #become(denied: readonly DeniedKey[]): void {
    this.#denied = denied;
    this.#thumbprints = new Set(denied.map(({ thumbprint }) => thumbprint));
  }

  /** A change, on disk before it counts. */
  async #change(edit: Edit): Promise<void> {
    await this.#queued(async () => {
      const file = this.#file;
      if (file === undefined) return this.#become(edited(this.list(), edit));
      await makeDirectory(path.dirname(file), 0o700);
      await exclusively(`${file}.lock`, async () => {
        // Another process on this directory may have denied keys meanwhile: its entries stay.
        const denied = edited((await readEntries(file)) ?? this.list(), edit);
        await writeDurably(file, [`${JSON.stringify({ format: 1, denied }, undefined, 2)}\n`], {
          mode: 0o600,
          replace: true,
        });
        this.#become(denied);
      });
    });
  }

  /** One after another. Rejects as `task` does. */
  async #queued(task: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(task);
    this.#last = turn.catch(() => undefined);
    await turn;
  }
}

type Edit = (denied: Map<string, DeniedKey>) => void;

const edited = (entries: readonly DeniedKey[], edit: Edit): readonly DeniedKey[] => {
  const denied = new Map(entries.map((key) => [key.thumbprint, key]));
  edit(denied);
  return [...denied.values()];
};

/** The entries of the file; undefined where there is none. @throws {JwksdError} `deny_list_damaged` */
const readEntries = async (file: string): Promise<readonly DeniedKey[] | undefined> => {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw damaged(file, error);
  }
  if (!Value.Check(File, content)) throw damaged(file, undefined);
  return content.denied;
};

const damaged = (file: string, cause: unknown): JwksdError =>
  new JwksdError(
    'deny_list_damaged',
    `${file} cannot be read as a deny list. Denied keys must not come back unseen, so jwksd does not start: ` +
      'restore the file from a copy, or delete it to allow every key again',
    { cause },
  );
