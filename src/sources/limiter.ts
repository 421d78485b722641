/** What decides when a task may begin. */
export interface Place {
  /** Somebody waits for it at this moment. */
  readonly demand: boolean;
  /** What it asks has failed lately, and may hold its place for long. */
  readonly failing: boolean;
  /** Its end is the end of the wait. */
  readonly signal: AbortSignal;
}

/** Runs a task as soon as there is a place for it; undefined, and the task never begun, when the signal ended the wait. */
export type Limiter = <T>(task: () => Promise<T>, place: Place) => Promise<T | undefined>;

interface Waiter {
  readonly demand: boolean;
  readonly failing: boolean;
  /** The lowest goes first. */
  readonly rank: number;
  readonly enter: () => void;
}

/**
 * Lets at most `limit` tasks run at a time: the failing in at most half of the places, the scheduled in at most three
 * quarters.
 *
 * One limiter is shared by all upstreams of the process, so that hundreds of them do not open hundreds of sockets. Those
 * that hang must not keep the others waiting: demand goes first, then what has not failed; equals in the order they
 * came. The places that only demand takes are for the hour in which many upstreams begin to hang that never failed.
 */
export const createLimiter = (limit: number): Limiter => {
  const failingLimit = Math.max(1, Math.floor(limit / 2));
  const scheduledLimit = limit - Math.floor(limit / 4);
  let running = 0;
  let failing = 0;
  let scheduled = 0;
  const waiting = new Set<Waiter>();
  const first = (): Waiter | undefined => {
    let best: Waiter | undefined;
    for (const waiter of waiting) {
      if (waiter.failing && failing >= failingLimit) continue;
      if (!waiter.demand && scheduled >= scheduledLimit) continue;
      if (best === undefined || waiter.rank < best.rank) best = waiter;
    }
    return best;
  };
  const admit = (): void => {
    while (running < limit) {
      const next = first();
      if (next === undefined) return;
      waiting.delete(next);
      // Counted before it knows, so a newcomer cannot take the place meanwhile.
      running += 1;
      if (next.failing) failing += 1;
      if (!next.demand) scheduled += 1;
      next.enter();
    }
  };
  const entered = async (place: Place): Promise<boolean> =>
    await new Promise<boolean>((resolve) => {
      const rank = (place.demand ? 0 : 2) + (place.failing ? 1 : 0);
      const leave = (): void => {
        waiting.delete(waiter);
        resolve(false);
      };
      const enter = (): void => {
        place.signal.removeEventListener('abort', leave);
        resolve(true);
      };
      const waiter = { demand: place.demand, failing: place.failing, rank, enter };
      place.signal.addEventListener('abort', leave, { once: true });
      waiting.add(waiter);
      admit();
    });
  return async (task, place) => {
    if (place.signal.aborted || !(await entered(place))) return undefined;
    try {
      return await task();
    } finally {
      running -= 1;
      if (place.failing) failing -= 1;
      if (!place.demand) scheduled -= 1;
      admit();
    }
  };
};
