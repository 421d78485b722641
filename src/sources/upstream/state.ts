import type { SourceState } from '../source.ts';
import type { Lifespan } from './lifetime.ts';
import { staleAfter, type ScheduleOptions } from './schedule.ts';

/** What decides how long keys outlive the last success. Milliseconds. */
export interface StalenessOptions extends ScheduleOptions {
  readonly maxStale: number;
  /** `always`: until `maxStale`. `rfc9111`: as long as the upstream's own headers allow. `never`: not beyond freshness. */
  readonly staleIfError: 'always' | 'rfc9111' | 'never';
}

/** The facts a state follows from. */
export interface StateFacts extends Lifespan {
  readonly hasKeys: boolean;
  /** The keys are from before this process or this source, and no fetch has confirmed them. */
  readonly restored: boolean;
  /** Cycles in a row that failed. */
  readonly failures: number;
  /** Milliseconds since the last success. */
  readonly age: number;
}

/** Age at which the keys are no longer published. */
export const expiresAfter = (facts: StateFacts, options: StalenessOptions): number => {
  if (options.staleIfError === 'always') return options.maxStale;
  // Without a failure nobody asked for stale keys: the next refresh is simply not due yet. What came before the upstream
  // began to fail is not known of restored keys.
  if (facts.failures === 0 && !facts.restored) return options.maxStale;
  const fresh = facts.freshFor ?? staleAfter(options);
  return Math.min(options.maxStale, options.staleIfError === 'never' ? fresh : fresh + facts.staleIfErrorFor);
};

/** The state of an upstream, derived and never stored. */
export const stateOf = (facts: StateFacts, options: StalenessOptions): SourceState => {
  if (!facts.hasKeys) return facts.failures > 0 ? 'DOWN' : 'INIT';
  if (facts.age >= expiresAfter(facts, options)) return 'EXPIRED';
  if (facts.restored) return 'RESTORED';
  return facts.failures > 0 || facts.age >= staleAfter(options) ? 'STALE' : 'FRESH';
};

/** Milliseconds until the state can change by the passing of time alone; absent when it cannot. */
export const untilNextState = (facts: StateFacts, options: StalenessOptions): number | undefined => {
  if (!facts.hasKeys) return undefined;
  const ahead = [staleAfter(options), expiresAfter(facts, options)].filter((edge) => edge > facts.age);
  return ahead.length === 0 ? undefined : Math.min(...ahead) - facts.age;
};
