import type { Cancel, Clock } from '../../clock.ts';
import { JwksdError } from '../../errors.ts';
import type { StoreHealth, StoreLog } from '../store.ts';
import { unavailable } from '../unavailable.ts';
import type { Environment } from './environment.ts';

/** A flush of a sick disk may take long; a caller waits no longer than this. */
const patience = 10_000;
const probeEvery = 5000;
const probeKey = Buffer.from('probe');

/**
 * Runs tasks in write transactions, many in one commit, and remembers whether the last commit worked.
 *
 * The commit, with its flush, happens on a thread of lmdb's own, so no request waits for the disk. A task is synchronous
 * and runs in a nested transaction: it is done as a whole or not at all, and never together with another process's.
 */
export class Writer {
  readonly #environment: Environment;
  readonly #clock: Clock;
  readonly #log: StoreLog;
  #failure: string | undefined;
  #lastOk: number | undefined;
  #stuck = 0;
  #closed = false;
  #cancelProbe: Cancel = () => undefined;

  constructor(environment: Environment, clock: Clock, log: StoreLog) {
    this.#environment = environment;
    this.#clock = clock;
    this.#log = log;
  }

  get health(): StoreHealth {
    return this.#failure === undefined ? { ok: true } : { ok: false, detail: this.#failure };
  }

  /** When a write was last on disk, milliseconds since the epoch. */
  get lastOk(): number | undefined {
    return this.#lastOk;
  }

  /**
   * Resolves with what the task returned once it is on disk.
   *
   * @throws {JwksdError} `store_unavailable`
   */
  async run<T>(task: () => T): Promise<T> {
    if (this.#closed) throw unavailable('the store is closed');
    // Whatever waits behind a commit that does not end, would wait for ever.
    if (this.#stuck > 0) throw unavailable('an earlier write did not end');
    try {
      const result = await this.#withinPatience(this.#environment.root.childTransaction(task));
      this.#recovered();
      return result;
    } catch (error) {
      // A task that refuses, for a damaged record, says nothing about the disk.
      if (error instanceof JwksdError) throw error;
      throw await this.#failed(error);
    }
  }

  close(): void {
    this.#closed = true;
    this.#cancelProbe();
  }

  async #withinPatience<T>(commit: Promise<T>): Promise<T> {
    let late = false;
    return await new Promise((resolve, reject) => {
      const cancel = this.#clock.after(patience, () => {
        late = true;
        this.#stuck += 1;
        reject(new Error(`the write was not on disk after ${patience} ms`));
      });
      const settled = (): void => {
        cancel();
        if (late) this.#stuck -= 1;
      };
      commit.then(resolve, reject).finally(settled);
    });
  }

  #recovered(): void {
    this.#lastOk = this.#clock.wall();
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#log.info({}, 'registrations can be stored again');
  }

  async #failed(error: unknown): Promise<Error> {
    const reason = await reasonOf(error);
    const detail = `the store cannot write: ${reason.message}`;
    if (this.#failure === undefined) this.#log.warn({ err: reason }, detail);
    this.#failure = detail;
    this.#probeLater();
    return unavailable(detail, reason);
  }

  /** A store that nobody writes to because it is not healthy must find out by itself that it is. */
  #probeLater(): void {
    this.#cancelProbe();
    if (this.#closed) return;
    this.#cancelProbe = this.#clock.after(probeEvery, () => {
      const probe = Buffer.from(String(this.#clock.wall()));
      this.run(() => void this.#environment.meta.put(probeKey, probe)).catch(() => undefined);
    });
  }
}

/** lmdb tells the reason of a failed commit in a promise beside the error, which nobody may leave without a handler. */
async function reasonOf(error: unknown): Promise<Error> {
  try {
    await (error as { commitError?: unknown }).commitError;
  } catch (reason) {
    if (reason instanceof Error) return reason;
  }
  return error instanceof Error ? error : new Error(String(error));
}
