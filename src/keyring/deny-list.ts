import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { JwksdError } from '../errors.ts';
import { writeDurably } from '../sources/durable-file.ts';

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
  #denied: ReadonlyMap<string, DeniedKey>;
  #thumbprints: ReadonlySet<string>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string | undefined, denied: readonly DeniedKey[]) {
    this.#file = file;
    this.#denied = new Map(denied.map((key) => [key.thumbprint, key]));
    this.#thumbprints = new Set(this.#denied.keys());
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
    let content: unknown;
    try {
      content = JSON.parse(await readFile(file, 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new DenyList(file, []);
      throw damaged(file, error);
    }
    if (!Value.Check(File, content)) throw damaged(file, undefined);
    return new DenyList(file, content.denied);
  }

  /** Thumbprints of the keys that must not be published. Another set whenever anything changed. */
  get thumbprints(): ReadonlySet<string> {
    return this.#thumbprints;
  }

  /** All entries, the oldest first. */
  list(): readonly DeniedKey[] {
    return [...this.#denied.values()];
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

  /** One change after another, each on disk before it counts. */
  async #change(edit: (denied: Map<string, DeniedKey>) => void): Promise<void> {
    const before = this.#writing;
    const change = (async () => {
      await before;
      const denied = new Map(this.#denied);
      edit(denied);
      if (this.#file !== undefined) {
        await mkdir(path.dirname(this.#file), { recursive: true, mode: 0o700 });
        const text = JSON.stringify({ format: 1, denied: [...denied.values()] }, undefined, 2);
        await writeDurably(this.#file, `${text}\n`, { mode: 0o600, replace: true });
      }
      this.#denied = denied;
      this.#thumbprints = new Set(denied.keys());
    })();
    this.#writing = change.catch(() => undefined);
    await change;
  }
}

const damaged = (file: string, cause: unknown): JwksdError =>
  new JwksdError(
    'deny_list_damaged',
    `${file} cannot be read as a deny list. Denied keys must not come back unseen, so jwksd does not start: ` +
      'restore the file from a copy, or delete it to allow every key again',
    { cause },
  );
