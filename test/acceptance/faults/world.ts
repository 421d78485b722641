import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What a jwksd that runs with {@link World.env} believes of its machine. */
interface Facts {
  /** Milliseconds by which its wall clock is ahead. */
  readonly clock?: number;
  /** The addresses of names; none: the name does not exist. */
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
}

/**
 * The wall clock and the name service of a child process, in the hands of a test.
 *
 * `./preload.mjs` is loaded into the child and looks into a file; monotonic time stays the machine's own.
 */
export class World {
  /** The environment that puts a child into this world. */
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;
  #facts: Facts = {};

  constructor(directory: string) {
    this.#file = path.join(directory, 'world.json');
    this.env = {
      NODE_OPTIONS: `--import=${new URL('preload.mjs', import.meta.url).href}`,
      TEST_WORLD: this.#file,
    };
    this.change({});
  }

  /** Takes effect at the child's next question. */
  change(facts: Facts): void {
    this.#facts = { ...this.#facts, ...facts };
    // Never half a file, and synchronous: what the test does next finds the new world.
    writeFileSync(`${this.#file}.new`, JSON.stringify(this.#facts));
    renameSync(`${this.#file}.new`, this.#file);
  }
}
