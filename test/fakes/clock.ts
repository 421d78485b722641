import type { Cancel, Clock } from '../../src/clock.ts';

interface Alarm {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Lets everything that is ready to run do so: promises, and a number of turns of the event loop. */
export const settle = async (turns = 20): Promise<void> => {
  for (let turn = 0; turn < turns; turn += 1) {
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
};

/** Waits for something that ends by itself (a socket, a file), and fails when it has not after `ms` milliseconds. */
export const until = async (condition: () => boolean, ms = 10_000): Promise<void> => {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not true within ${ms} ms: ${String(condition)}`);
    await settle(1);
  }
};

/**
 * Time that stands still until a test moves it.
 *
 * `advance` moves both clocks and fires what is due, in order; `stepWall` moves the wall clock alone, as an operator or
 * an NTP daemon does.
 */
export class ManualClock implements Clock {
  #now = 1_000_000;
  #wall: number;
  #order = 0;
  readonly #alarms = new Set<Alarm>();

  constructor(wall = Date.UTC(2025, 0, 1)) {
    this.#wall = wall;
  }

  /** How many alarms are set: 0 when everything was closed properly. */
  get pending(): number {
    return this.#alarms.size;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#wall;
  }

  after(ms: number, callback: () => void): Cancel {
    if (Number.isNaN(ms)) throw new Error('an alarm after NaN milliseconds');
    this.#order += 1;
    const alarm = { due: this.#now + Math.max(0, ms), order: this.#order, callback };
    this.#alarms.add(alarm);
    return () => void this.#alarms.delete(alarm);
  }

  stepWall(ms: number): void {
    this.#wall += ms;
  }

  /** Moves time on by `ms`; what every alarm sets going has run before the next one fires. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const next = this.#next(end);
      if (next === undefined) break;
      this.#alarms.delete(next);
      this.#moveTo(Math.max(next.due, this.#now));
      next.callback();
      await settle();
    }
    this.#moveTo(end);
  }

  #moveTo(now: number): void {
    this.#wall += now - this.#now;
    this.#now = now;
  }

  #next(end: number): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.due > end) continue;
      if (
        first === undefined ||
        alarm.due < first.due ||
        (alarm.due === first.due && alarm.order < first.order)
      ) {
        first = alarm;
      }
    }
    return first;
  }
}
