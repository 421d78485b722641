/** How often each of a few fixed names came up. */
export class Tally {
  readonly #counts = new Map<string, number>();

  bump(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** In the order in which the names first came up. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
