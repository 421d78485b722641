import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Key } from '../../jwk/key.ts';
import { writeJsonList } from '../../jwk/json-list.ts';
import { sha256 } from '../../jwk/sha256.ts';
import { makeDirectory } from '../../stores/make-directory.ts';
import { sweepAbandoned, writeDurably } from '../durable-file.ts';
import { paced } from '../pace.ts';
import { readBounded } from '../read-bounded.ts';
import type { Lifespan } from './lifetime.ts';

/** What outlives the process: the accepted keys of one upstream and how old they are. */
export interface Remembered extends Lifespan {
  /** Public JWKs in the order they are published; admitted again when they are read. */
  readonly keys: readonly unknown[];
  /** URL the keys came from, with its query: never to be shown. */
  readonly url: string;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** Milliseconds since the epoch of the last success. */
  readonly fetchedAt: number;
}

const format = 1;
/** Far above what `maxBody` and `maxKeys` let an upstream have. */
const largest = 256 * 1024 * 1024;
const digest = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

/** The same with keys as they are in memory. */
export type ToRemember = Omit<Remembered, 'keys'> & { readonly keys: readonly Pick<Key, 'json'>[] };

/**
 * One upstream's last-known-good file.
 *
 * Written to a temporary name, synced, renamed, and the directory synced: after a crash at any moment the file is the
 * old one or the new one. It carries a hash of its own content and of the configured URL, so a damaged file, or one that
 * belongs to another upstream, is recognised.
 */
export class LastKnownGood {
  readonly #directory: string;
  readonly #file: string;
  readonly #origin: string;

  /** `origin` is the configured URL or issuer. */
  constructor(directory: string, source: string, origin: string) {
    this.#directory = directory;
    this.#file = path.join(directory, `${source}.json`);
    this.#origin = digest(origin);
  }

  /** The remembered keys; undefined when there is no file. Throws with a sentence when the file cannot be used. */
  async read(): Promise<Remembered | undefined> {
    let text: string;
    try {
      text = (await readBounded(this.#file, largest))?.toString() ?? '';
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new Error(`${this.#file} cannot be read`, { cause: error });
    }
    const [line = '', payload = ''] = text.split('\n');
    if (line !== digest(payload)) throw new Error(`${this.#file} is damaged`);
    const content = JSON.parse(payload) as { format: number; origin: string } & Remembered;
    if (content.format !== format)
      throw new Error(`${this.#file} has format ${content.format}, this version reads 1`);
    if (content.origin !== this.#origin) throw new Error(`${this.#file} belongs to another URL`);
    const dated = Number.isFinite(content.fetchedAt) && !Number.isNaN(new Date(content.fetchedAt).getTime());
    if (!dated || !Array.isArray(content.keys)) throw new Error(`${this.#file} has no keys or no date`);
    return content;
  }

  /** Removes what writes that were killed left behind before `wall` (milliseconds since the epoch). */
  async sweep(wall: number): Promise<void> {
    const ours = path.basename(this.#file);
    await sweepAbandoned(this.#directory, (name) => name === ours, wall);
  }

  /** Replaces the file. Rejects when the disk refuses; the old file is then untouched. */
  async write({ keys, ...remembered }: ToRemember): Promise<void> {
    await makeDirectory(this.#directory, 0o700);
    const members = JSON.stringify({ format, origin: this.#origin, ...remembered }).slice(0, -1);
    const texts = keys.map(({ json }) => json);
    const payload = await paced(writeJsonList(`${members},"keys":[`, texts, ']}'));
    const hash = (await paced(sha256(payload))).toString('hex');
    await writeDurably(this.#file, [`${hash}\n`, payload, '\n'], { mode: 0o600, replace: true });
  }
}
