import type { Clock } from '../clock.ts';
import { Timer } from './upstream/timer.ts';

/** How the source behind a task has done: `good` has keys, `new` never had any, `failing` failed when it was last asked. */
export type Standing = 'good' | 'new' | 'failing';

/** What decides when a task may begin. */
export interface Place {
  /** Somebody waits for it at this moment. */
  readonly demand: boolean;
  readonly standing: Standing;
  /** Its end is the end of the wait, and of the task. */
  readonly signal: AbortSignal;
}

/**
 * Runs a task as soon as there is a place for it; undefined, and the task never begun, when the signal ended the wait.
 *
 * The signal a task is given aborts when it has to end: because its place's signal did, or to make room for others.
 */
export type Limiter = <T>(task: (ending: AbortSignal) => Promise<T>, place: Place) => Promise<T | undefined>;

interface Waiter {
  readonly demand: boolean;
  readonly standing: Standing;
  /** The lowest goes first. */
  readonly rank: number;
  readonly enter: () => void;
}

interface Running {
  readonly demand: boolean;
  readonly standing: Standing;
  /** Monotonic milliseconds. */
  readonly since: number;
  readonly ending: AbortController;
}

/** A client waits 1.5 s at most, so a place that one needs has to come free before that. */
const patienceOfDemand = 1000;
const patienceOfSchedule = 2000;
const rankOf = ({ demand, standing }: Place): number =>
  (demand ? 0 : 3) + ['good', 'new', 'failing'].indexOf(standing);

/**
 * Lets at most `limit` tasks run at a time: the failing in at most half of the places, the scheduled in at most three
 * quarters.
 *
 * One limiter is shared by all upstreams of the process, so that hundreds of them do not open hundreds of sockets. Those
 * that hang must not keep the others waiting: demand goes first, then what has keys, the failing last; equals in the
 * order they came. The places that only demand takes are for the hour in which many upstreams begin to hang that never
 * failed. And while one that is not failing has no place, the longest task under way ends after 2 s, or 1 s where a
 * client waits: it failed slowly, and is tried again among the failing, which end nobody else's task.
 */
export const createLimiter = (limit: number, clock: Clock): Limiter => {
  const failingLimit = Math.max(1, Math.floor(limit / 2));
  const scheduledLimit = limit - Math.floor(limit / 4);
  const waiting = new Set<Waiter>();
  /** The longest first. */
  const running = new Set<Running>();
  const alarm = new Timer(clock);
  const count = (which: (task: Running) => boolean): number => [...running].filter(which).length;

  const next = (): Waiter | undefined => {
    if (running.size >= limit) return undefined;
    const failingFull = count(({ standing }) => standing === 'failing') >= failingLimit;
    const scheduledFull = count(({ demand }) => !demand) >= scheduledLimit;
    let best: Waiter | undefined;
    for (const waiter of waiting) {
      if (failingFull && waiter.standing === 'failing') continue;
      if (scheduledFull && !waiter.demand) continue;
      if (best === undefined || waiter.rank < best.rank) best = waiter;
    }
    return best;
  };

  const makeRoom = (): void => {
    alarm.clear();
    const claims = [...waiting].filter(({ standing }) => standing !== 'failing');
    const held = new Set([...running].filter(({ ending }) => !ending.signal.aborted));
    const scheduledFull = count(({ demand }) => !demand) >= scheduledLimit;
    let coming = running.size - held.size;
    for (const claim of claims.sort((a, b) => a.rank - b.rank)) {
      if (coming > 0) {
        coming -= 1;
        continue;
      }
      const longest = [...held].find(({ demand }) => claim.demand || !demand || !scheduledFull);
      if (longest === undefined) return;
      const patience = claim.demand ? patienceOfDemand : patienceOfSchedule;
      const left = patience - (clock.now() - longest.since);
      if (left > 0) return alarm.set(left, makeRoom);
      held.delete(longest);
      longest.ending.abort();
    }
  };

  const admit = (): void => {
    for (let first = next(); first !== undefined; first = next()) {
      waiting.delete(first);
      first.enter();
    }
    makeRoom();
  };

  const entered = async ({ demand, standing, ...place }: Place): Promise<Running | undefined> =>
    await new Promise((resolve) => {
      const leave = (): void => {
        waiting.delete(waiter);
        makeRoom();
        resolve(undefined);
      };
      const enter = (): void => {
        place.signal.removeEventListener('abort', leave);
        const task = { demand, standing, since: clock.now(), ending: new AbortController() };
        // Counted before it knows, so a newcomer cannot take the place meanwhile.
        running.add(task);
        resolve(task);
      };
      const waiter = { demand, standing, rank: rankOf({ demand, standing, ...place }), enter };
      place.signal.addEventListener('abort', leave, { once: true });
      waiting.add(waiter);
      admit();
    });

  return async (task, place) => {
    const begun = place.signal.aborted ? undefined : await entered(place);
    if (begun === undefined) return undefined;
    const end = (): void => begun.ending.abort();
    place.signal.addEventListener('abort', end, { once: true });
    // It may have aborted between the place and this line.
    if (place.signal.aborted) end();
    try {
      return await task(begun.ending.signal);
    } finally {
      place.signal.removeEventListener('abort', end);
      running.delete(begun);
      admit();
    }
  };
};
