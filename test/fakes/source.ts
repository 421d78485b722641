import type { Key } from '../../src/jwk/key.ts';
import type {
  RefreshOutcome,
  Source,
  SourceSnapshot,
  SourceState,
  SourceStatus,
} from '../../src/sources/source.ts';

/** What a refresh does; it may change what the source publishes. */
export type OnRefresh = (cause: Parameters<Source['refresh']>[0]) => Promise<void> | void;

/** A source that publishes what a test tells it to, at once. */
export class FakeSource implements Source {
  readonly name: string;
  current: SourceSnapshot;
  /** Causes of the refreshes so far. */
  readonly refreshes: string[] = [];
  onRefresh: OnRefresh = () => undefined;
  started = 0;
  closed = 0;
  readonly #before: readonly Key[];
  #listener: () => void = () => undefined;
  #running: Promise<void> | undefined;

  /** `keys` are there once it is started, as those of a file source are. */
  constructor(name: string, keys: readonly Key[] = [], required = true) {
    this.name = name;
    this.#before = keys;
    this.current = { name, required, state: 'INIT', keys: [] };
  }

  publish(keys: readonly Key[], state: SourceState = 'FRESH'): void {
    this.current = { ...this.current, state, keys };
    this.#listener();
  }

  async start(listener: () => void): Promise<void> {
    this.started += 1;
    this.#listener = listener;
    if (this.#before.length > 0) this.publish(this.#before);
    await Promise.resolve();
  }

  async refresh(cause: Parameters<Source['refresh']>[0]): Promise<RefreshOutcome> {
    this.#running ??= (async () => {
      this.refreshes.push(cause);
      const { keys } = this.current;
      await this.onRefresh(cause);
      this.#changed = keys !== this.current.keys;
    })().finally(() => (this.#running = undefined));
    await this.#running;
    return { ok: true, changed: this.#changed };
  }

  #changed = false;

  async close(): Promise<void> {
    this.closed += 1;
    await Promise.resolve();
  }

  status(): SourceStatus {
    return {
      name: this.name,
      type: 'jwks',
      required: this.current.required,
      state: this.current.state,
      origin: `https://${this.name}.example/jwks`,
      keys: this.current.keys.length,
      rejected: {},
      retiring: 0,
      lastSuccess: undefined,
      age: undefined,
      lastError: undefined,
      consecutiveFailures: 0,
      nextAttemptIn: undefined,
      attempts: {},
      keyChanges: { added: 0, removed: 0, replaced: 0, retired: 0, returned: 0 },
      remembered: undefined,
      notes: [],
    };
  }
}
