import type { Changes } from './store.ts';

/** Those who want to hear of changes. */
export class Listeners {
  readonly #listeners = new Set<(changes: Changes) => void>();

  add(listener: (changes: Changes) => void): () => void {
    // A function of its own, so that a listener that was added twice is removed once.
    const own = (changes: Changes): void => listener(changes);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  tell(changes: Changes): void {
    for (const listener of this.#listeners) listener(changes);
  }
}
