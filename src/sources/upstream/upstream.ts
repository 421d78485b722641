import type { Generation } from '../key-cache.ts';
import { Ledger } from '../ledger.ts';
import { Findings, logChanges, logFailure } from '../log.ts';
import type { RefreshOutcome, Source, SourceSnapshot, SourceStatus } from '../source.ts';
import type { Refusal } from './accept.ts';
import type { Success } from './exchange.ts';
import { failure } from './failure.ts';
import { follow, isSame, type Following, type Held } from './following.ts';
import { Lifetime } from './lifetime.ts';
import type { Restored } from './memory.ts';
import type { UpstreamOptions, UpstreamParts } from './options.ts';
import { backoff, retryPause, untilNext } from './schedule.ts';
import { stateOf, untilNextState, type StateFacts } from './state.ts';
import { pause, Timer } from './timer.ts';

type Cause = Parameters<Source['refresh']>[0];

/**
 * Mirrors the keys of one HTTP source, through whatever the upstream does.
 *
 * A failed attempt changes nothing but the state; an accepted body replaces the generation as a whole. Results are
 * applied in the order their requests were sent, so a late answer cannot bring back what a newer one removed.
 */
export class UpstreamSource implements Source {
  readonly name: string;
  readonly #options: UpstreamOptions;
  readonly #parts: Omit<UpstreamParts, 'inherit'>;
  readonly #closing = new AbortController();
  readonly #refreshTimer: Timer;
  readonly #stateTimer: Timer;
  readonly #running = new Map<'demand' | 'cycle', Promise<RefreshOutcome>>();
  readonly #ledger: Ledger;
  readonly #lifetime = new Lifetime();
  readonly #findings: Findings;
  /** Forgotten after the handover: a source must not keep its predecessors alive. */
  #inherit: UpstreamParts['inherit'];
  #listener: () => void = () => undefined;
  #current: SourceSnapshot;
  #sent = 0;
  #applied = 0;
  #notBefore = -Infinity;
  /** The keys are from before this process and no fetch has confirmed them. */
  #restored = false;

  constructor(options: UpstreamOptions, { inherit, ...parts }: UpstreamParts) {
    this.name = options.name;
    this.#options = options;
    this.#parts = parts;
    this.#inherit = inherit;
    this.#ledger = new Ledger(parts.clock);
    this.#findings = new Findings(parts.log, options.name);
    this.#refreshTimer = new Timer(parts.clock);
    this.#stateTimer = new Timer(parts.clock);
    this.#current = { name: options.name, required: options.required, state: 'INIT', keys: [] };
  }

  get current(): SourceSnapshot {
    return this.#current;
  }

  async start(listener: () => void): Promise<void> {
    this.#listener = listener;
    await this.#restore();
    this.#plan(this.#options.firstDelay);
  }

  async refresh(cause: Cause): Promise<RefreshOutcome> {
    const lane = cause === 'demand' ? 'demand' : 'cycle';
    const running = this.#running.get(lane);
    if (running !== undefined) return await running;
    const run = this.#run(cause)
      .catch((error: unknown) => this.#crashed(error))
      .finally(() => {
        this.#running.delete(lane);
        // The alarm may have fired into this very cycle, whose late result set no other.
        if (lane === 'cycle' && this.#refreshTimer.left === undefined) this.#planNext();
      });
    this.#running.set(lane, run);
    return await run;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#refreshTimer.clear();
    this.#stateTimer.clear();
    await Promise.allSettled(this.#running.values());
    await this.#parts.memory.settled();
    this.#parts.slot.clear();
  }

  /** The keys and when they were confirmed, for the source that takes this one's place. */
  handOver(): Restored | undefined {
    const generation = this.#generation;
    const { succeededAt } = this.#ledger;
    const { lastSuccess } = this.#ledger.status();
    if (generation === undefined || succeededAt === undefined || lastSuccess === undefined) return undefined;
    return { generation, succeededAt, fetchedAt: lastSuccess, ...this.#lifetime.lifespan };
  }

  takeOver(): void {
    const restored = this.#inherit?.();
    this.#inherit = undefined;
    if (restored === undefined || this.#closing.signal.aborted) return;
    const { succeededAt = -Infinity } = this.#ledger;
    if (this.#generation === undefined || this.#restored) this.#adopt(restored);
    // Both were asked, this one first: what the other found since is there to be fetched.
    else if (restored.succeededAt > succeededAt) this.#plan(0);
  }

  status(): SourceStatus {
    const { name, type, required, origin } = this.#options;
    return {
      name,
      type,
      required,
      state: this.#current.state,
      origin,
      keys: this.#current.keys.length,
      retiring: this.#generation?.retiring.length ?? 0,
      nextAttemptIn: this.#refreshTimer.left,
      remembered: this.#parts.memory.counts,
      ...this.#findings.told,
      ...this.#ledger.status(),
    };
  }

  get #held(): Held {
    return { generation: this.#generation, expired: this.#current.state === 'EXPIRED' };
  }

  get #generation(): Generation | undefined {
    return this.#parts.slot.get();
  }

  get #facts(): StateFacts {
    return {
      hasKeys: this.#generation !== undefined,
      restored: this.#restored,
      failures: this.#ledger.failures,
      age: this.#ledger.age ?? 0,
      ...this.#lifetime.lifespan,
    };
  }

  async #run(cause: Cause): Promise<RefreshOutcome> {
    const ledger = this.#ledger;
    const tries = cause === 'demand' || ledger.failures > 0 ? 1 : 3;
    let unconditional = cause !== 'schedule';
    const wait = this.#notBefore - this.#parts.clock.now();
    // An upstream that asked to be left alone is asked by an administrator only.
    if (cause !== 'admin' && wait > 0 && ledger.lastError !== undefined) {
      if (cause === 'schedule') this.#plan(wait);
      return { ok: false, error: ledger.lastError };
    }
    for (let n = 1, repeated = false; ; n += 1) {
      const { sequence, result } = await this.#attempt(unconditional, cause, n);
      let following: Following | undefined;
      // Begun again when the other lane, or time, took away what it follows.
      do following = await follow(result, this.#held, { ...this.#options, ...this.#parts });
      while (following !== undefined && !isSame(following.held, this.#held));
      if (this.#closing.signal.aborted) {
        return { ok: false, error: ledger.error(failure('reset', 'the source was removed')) };
      }
      ledger.count(result.ok ? (result.parsed === undefined ? 'not_modified' : 'ok') : result.code);
      if (result.ok) return this.#succeed(sequence, result, following);
      if (result.retry === 'cycle' && n < tries) {
        await pause(this.#parts.clock, retryPause(this.#parts.random()), this.#closing.signal);
      } else if (result.retry === 'once' && !repeated && n < tries) {
        repeated = true;
        unconditional = true;
      } else {
        return this.#fail(sequence, result);
      }
    }
  }

  async #attempt(
    wanted: boolean,
    cause: Cause,
    n: number,
  ): Promise<{ readonly sequence: number; readonly result: Success | Refusal }> {
    let sequence = (this.#sent += 1);
    const held = this.#generation;
    // After a failure the validators may be what the upstream cannot bear, and keys are confirmed by their body only.
    const unconditional =
      wanted ||
      this.#ledger.failures > 0 ||
      (held?.retiring.length ?? 0) > 0 ||
      this.#current.state === 'EXPIRED';
    const result = await this.#parts.exchange.attempt({
      held,
      unconditional,
      failed: this.#ledger.failures,
      demand: cause === 'demand',
      standing: n > 1 || this.#ledger.failures > 0 ? 'failing' : held === undefined ? 'new' : 'good',
      count: (code) => this.#ledger.count(code),
      // It may have waited in a line before: what counts is how old the answer is, not the wish for it.
      sent: () => (sequence = this.#sent += 1),
      signal: this.#closing.signal,
    });
    return { sequence, result };
  }

  #succeed(sequence: number, success: Success, following: Following | undefined): RefreshOutcome {
    if (sequence < this.#applied) return { ok: true, changed: false };
    this.#applied = sequence;
    this.#notBefore = -Infinity;
    const { slot, log } = this.#parts;
    const before = this.#generation;
    if (this.#ledger.failures > 0)
      log.info({ source: this.name, failures: this.#ledger.failures }, 'upstream is back');
    const fetchedAt = this.#ledger.succeeded();
    this.#restored = false;
    this.#lifetime.read(success.answer, fetchedAt);
    if (following !== undefined) {
      slot.set(following.generation);
      this.#findings.read(following.parsed);
      this.#ledger.changed(following.changes);
      logChanges(log, this.name, following.generation.keys.length, following.changes);
    }
    const generation = this.#generation;
    const changed = before?.keys !== generation?.keys;
    if (generation !== undefined)
      this.#parts.memory.save({ generation, fetchedAt, ...this.#lifetime.lifespan }, changed);
    this.#publish();
    this.#planNext();
    return { ok: true, changed };
  }

  #fail(sequence: number, refusal: Refusal): RefreshOutcome {
    const { clock, log } = this.#parts;
    const error = this.#ledger.error(refusal);
    if (sequence < this.#applied) return { ok: false, error };
    this.#ledger.failed(error);
    if (refusal.parsed !== undefined) this.#findings.read(refusal.parsed);
    logFailure(log, this.name, error, { failures: this.#ledger.failures, keys: this.#current.keys.length });
    this.#publish();
    if (refusal.retryAfter !== undefined) this.#notBefore = clock.now() + refusal.retryAfter;
    this.#planNext();
    return { ok: false, error };
  }

  /** A defect of ours costs one refresh, not the schedule and not the process. */
  #crashed(error: unknown): RefreshOutcome {
    this.#parts.log.error({ source: this.name, err: error }, 'a refresh failed inside jwksd');
    this.#plan(backoff(this.#ledger.failures + 1, true, this.#parts.random()));
    return { ok: false, error: this.#ledger.error(failure('http_other', 'the refresh failed inside jwksd')) };
  }

  /** Replaces `current` when something a client can see has changed, and sets the alarm for the next change by age. */
  #publish(): void {
    const facts = this.#facts;
    const state = stateOf(facts, this.#options);
    const shown = state === 'RESTORED' || state === 'FRESH' || state === 'STALE';
    const keys = shown ? (this.#generation?.keys ?? []) : [];
    const until = untilNextState(facts, this.#options);
    if (until === undefined) this.#stateTimer.clear();
    else this.#stateTimer.set(until, () => this.#publish());
    const before = this.#current;
    if (before.state === state && (before.keys === keys || before.keys.length + keys.length === 0)) return;
    if (before.state !== state) {
      this.#parts.log.info(
        { source: this.name, from: before.state, to: state, keys: keys.length },
        'source state',
      );
    }
    this.#current = { ...before, state, keys };
    this.#listener();
  }

  async #restore(): Promise<void> {
    const restored = this.#inherit?.() ?? (await this.#parts.memory.load(this.#options.maxStale));
    if (restored === undefined || this.#generation !== undefined || this.#closing.signal.aborted) return;
    this.#adopt(restored);
  }

  /** Publishes keys of before as far as they may still be used. */
  #adopt(restored: Restored): void {
    this.#parts.slot.set(restored.generation);
    this.#parts.exchange.remember(restored.generation.url);
    this.#ledger.restored(restored.succeededAt, restored.fetchedAt);
    this.#lifetime.restore(restored);
    this.#restored = true;
    this.#publish();
  }

  /** Sets the alarm for the refresh that follows from what is known now. */
  #planNext(): void {
    const situation = {
      failures: this.#ledger.failures,
      hasKeys: this.#current.keys.length > 0,
      retiring: (this.#generation?.retiring.length ?? 0) > 0,
      freshFor: this.#lifetime.lifespan.freshFor,
      leftAlone: this.#notBefore - this.#parts.clock.now(),
    };
    this.#plan(untilNext(situation, this.#options, this.#parts.random()));
  }

  #plan(delay: number): void {
    if (!this.#closing.signal.aborted) this.#refreshTimer.set(delay, () => void this.refresh('schedule'));
  }
}
