import type { Clock } from '../clock.ts';
import type { Key } from '../jwk/key.ts';
import { changesBetween } from './changes.ts';
import { FileReader, type FileReport, type KnownFiles } from './file-reader.ts';
import { Ledger } from './ledger.ts';
import { logChanges, logNotes, newNotes, tellNotes } from './log.ts';
import { paced } from './pace.ts';
import type { Log, RefreshOutcome, Source, SourceSnapshot, SourceState, SourceStatus } from './source.ts';
import { Timer } from './upstream/timer.ts';

/** Where key files are and how often they are looked at. */
export interface FilesOptions {
  readonly name: string;
  /** A file, or a directory whose regular files are read in the order of their names. */
  readonly path: string;
  /** Milliseconds between two looks. */
  readonly poll: number;
  /** `alg` for RSA keys that name none. */
  readonly rsaAlg: string | undefined;
  /** The one `alg` the keys may have; a key that is for another is rejected. */
  readonly onlyAlg?: string | undefined;
}

/** What a file source works with. */
export interface FilesParts {
  readonly clock: Clock;
  readonly log: Log;
  /** What the source knows of the files whose place this one takes, because a reload changed its options. */
  readonly inherit?: (() => KnownFiles) | undefined;
}

/**
 * Publishes the keys of a file or a directory and follows every change of them.
 *
 * Files are the operator's own act: what is removed from a file is gone at once. Only what looks like an accident is
 * not believed: a file that cannot be read keeps its last good keys, and a file must be missing twice.
 */
export class FilesSource implements Source {
  readonly name: string;
  readonly #options: FilesOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #reader: FileReader;
  readonly #timer: Timer;
  readonly #ledger: Ledger;
  /** Forgotten after the handover: a source must not keep its predecessors alive. */
  #inherit: FilesParts['inherit'];
  #listener: () => void = () => undefined;
  #current: SourceSnapshot;
  #running: Promise<RefreshOutcome> | undefined;
  #closed = false;
  #report: FileReport | undefined;

  constructor(options: FilesOptions, { inherit, ...parts }: FilesParts) {
    this.name = options.name;
    this.#options = options;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#reader = new FileReader(options.path, options);
    this.#inherit = inherit;
    this.#timer = new Timer(parts.clock);
    this.#ledger = new Ledger(parts.clock);
    this.#current = { name: options.name, required: true, state: 'INIT', keys: [] };
  }

  get current(): SourceSnapshot {
    return this.#current;
  }

  async start(listener: () => void): Promise<void> {
    this.#listener = listener;
    const known = this.#inherit?.();
    this.#inherit = undefined;
    if (known !== undefined) this.#reader.inherit(known);
    await this.refresh('schedule');
  }

  async refresh(cause: Parameters<Source['refresh']>[0]): Promise<RefreshOutcome> {
    this.#running ??= this.#poll(cause !== 'demand').finally(() => {
      this.#running = undefined;
      if (!this.#closed) this.#timer.set(this.#options.poll, () => void this.refresh('schedule'));
    });
    return await this.#running;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer.clear();
    await this.#running;
  }

  /** What is known of the files, for the source that takes this one's place. */
  handOver(): KnownFiles {
    return this.#reader.known;
  }

  status(): SourceStatus {
    return {
      name: this.name,
      type: 'files',
      required: true,
      state: this.#current.state,
      origin: this.#options.path,
      keys: this.#current.keys.length,
      rejected: this.#report?.rejectedCounts ?? {},
      retiring: 0,
      nextAttemptIn: this.#timer.left,
      remembered: undefined,
      notes: tellNotes(this.#report?.notes ?? []),
      ...this.#ledger.status(),
    };
  }

  async #poll(forget: boolean): Promise<RefreshOutcome> {
    const report = await this.#reader.read(this.#clock.wall(), { forget });
    const ledger = this.#ledger;
    if (this.#closed) {
      return { ok: false, error: ledger.error({ code: 'closed', detail: 'the source was removed' }) };
    }
    this.#tell(report);
    this.#report = report;
    const empty = report.keys.length === 0;
    const failed =
      report.error ??
      (empty ? { code: 'no_usable_keys', detail: `no usable key in ${this.#options.path}` } : undefined);
    ledger.count(failed?.code ?? 'ok');
    if (failed === undefined) {
      ledger.succeeded();
      return { ok: true, changed: await this.#publish(report.keys, 'FRESH') };
    }
    const error = ledger.error(failed);
    ledger.failed(error);
    await this.#publish(report.keys, empty ? 'DOWN' : 'STALE');
    return { ok: false, error };
  }

  /** Replaces `current` when keys or state changed; tells whether keys did. */
  async #publish(keys: readonly Key[], state: SourceState): Promise<boolean> {
    const before = this.#current;
    const same =
      before.keys.length === keys.length && before.keys.every((key, i) => key.json === keys[i]?.json);
    if (same && before.state === state) return false;
    if (!same) {
      const changes = await paced(
        changesBetween({ keys: before.keys, retiring: [] }, { keys, retiring: [] }),
      );
      if (this.#closed) return false;
      this.#ledger.changed(changes);
      logChanges(this.#log, this.name, keys.length, changes);
    }
    if (before.state !== state)
      this.#log.info({ source: this.name, from: before.state, to: state }, 'source state');
    this.#current = { ...before, state, keys: same ? before.keys : keys };
    this.#listener();
    return !same;
  }

  /** Logs what is odd about the files, once per oddity. */
  #tell(report: FileReport): void {
    logNotes(this.#log, this.name, newNotes(this.#report?.notes ?? [], report.notes), 'warn');
  }
}
