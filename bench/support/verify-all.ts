/** How a number of verifications ended. */
export interface Tally {
  readonly good: number;
  readonly total: number;
  readonly ms: number;
  /** The last one that was seen, empty when there was none. */
  readonly error: string;
}

/** What is to be verified. */
export interface Tokens {
  readonly tokens: readonly string[];
  /** How often each token is verified. */
  readonly times: number;
  /** How many at a time. */
  readonly parallel: number;
}

/** Verifies tokens in turn and counts; an error never ends the run. */
export const verifyAll = async (
  { tokens, times, parallel }: Tokens,
  verify: (token: string) => Promise<unknown>,
): Promise<Tally> => {
  const begun = performance.now();
  const total = tokens.length * times;
  let next = 0;
  let good = 0;
  let error = '';
  const work = async (): Promise<void> => {
    while (next < total) {
      const token = tokens[next % tokens.length] ?? '';
      next += 1;
      try {
        await verify(token);
        good += 1;
      } catch (problem) {
        error = String(problem).slice(0, 120);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, total) }, work));
  return { good, total, ms: performance.now() - begun, error };
};
