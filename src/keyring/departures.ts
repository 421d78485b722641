import type { SetSnapshot } from './snapshot.ts';

/** Names that are remembered at most; those that left first are forgotten first. */
const most = 10_000;

/** Which `kid`s left which set since the start, and when: for people who ask why a token is no longer valid. */
export class Departures {
  readonly #left = new Map<string, number>();

  /** Notes what `after` lacks; `wall` is in milliseconds since the epoch. */
  note(before: SetSnapshot, after: SetSnapshot, wall: number): void {
    for (const { key } of before.keys) {
      const { kid } = key.jwk;
      if (kid === undefined || after.byName.has(kid)) continue;
      const name = nameOf(after.name, kid);
      this.#left.delete(name);
      this.#left.set(name, wall);
    }
    for (const name of this.#left.keys()) {
      if (this.#left.size <= most) break;
      this.#left.delete(name);
    }
  }

  /** Milliseconds since the epoch; undefined for a `kid` nobody saw leave. */
  at(set: string, kid: string): number | undefined {
    return this.#left.get(nameOf(set, kid));
  }
}

const nameOf = (set: string, kid: string): string => `${set} ${kid}`;
