/** The part of an upstream's configuration that decides when it is asked. All in milliseconds but `jitter`. */
export interface ScheduleOptions {
  readonly refreshInterval: number;
  readonly refreshMin: number;
  readonly refreshMax: number;
  /** A fraction: 0.1 spreads every delay over ±10 %. */
  readonly jitter: number;
}

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);

/** Milliseconds from a success to the next refresh; `random` is in [0, 1). */
export const nextRefresh = (
  remaining: number | undefined,
  options: ScheduleOptions,
  random: number,
): number => {
  const base =
    remaining === undefined
      ? options.refreshInterval
      : clamp(remaining / 4, options.refreshMin, options.refreshMax);
  return base * (1 + options.jitter * (2 * random - 1));
};

/**
 * Milliseconds from the n-th failed cycle in a row (n >= 1) to the next: exponential, with jitter in [0.5, 1].
 *
 * Without keys nobody is served, so the pace starts at 1 s and ends at 30 s; with keys 5 s and 60 s.
 */
export const backoff = (failures: number, hasKeys: boolean, random: number): number => {
  const [base, cap] = hasKeys ? [5000, 60_000] : [1000, 30_000];
  return Math.min(cap, base * 2 ** Math.min(failures - 1, 20)) * (0.5 + random / 2);
};

/** What the next refresh follows from. */
export interface Situation {
  /** Cycles in a row that failed. */
  readonly failures: number;
  readonly hasKeys: boolean;
  /** Some keys are published although the upstream no longer lists them. */
  readonly retiring: boolean;
  /** Milliseconds the last good answer is fresh; absent when it did not say. */
  readonly freshFor: number | undefined;
  /** Milliseconds the upstream wants to be left alone after a failure, from now; negative when that is over. */
  readonly leftAlone: number;
}

/** Milliseconds from now to the next refresh; `random` is in [0, 1). */
export const untilNext = (
  { failures, hasKeys, retiring, freshFor, leftAlone }: Situation,
  options: ScheduleOptions & { readonly removalConfirm: number },
  random: number,
): number => {
  if (failures > 0) return Math.max(backoff(failures, hasKeys, random), leftAlone);
  const delay = nextRefresh(freshFor, options, random);
  return retiring ? Math.min(delay, Math.max(1000, options.removalConfirm)) : delay;
};

/** Milliseconds between two attempts of one cycle: anywhere in [250 ms, 2 s]. */
export const retryPause = (random: number): number => 250 + random * 1750;

/** Age from which keys that nobody confirmed count as stale: two refreshes missed, and a minute of grace. */
export const staleAfter = ({ refreshMax, refreshInterval }: ScheduleOptions): number =>
  2 * Math.max(refreshMax, refreshInterval) + 60_000;
