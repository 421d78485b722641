import type { Swept } from '../store.ts';
import { encodeTime, holderKey, kinds, readEnd } from './entries.ts';
import type { Environment } from './environment.ts';

const batch = 500;

/** In a transaction: removes a few of the entries that ended, the oldest first, and says whether there are more. */
export const sweepOnce = (environment: Environment, now: number): { swept: Swept; more: boolean } => {
  const { records, holders, replays, nonces, ends } = environment;
  const swept = { records: 0, replays: 0, nonces: 0 };
  // The keys are read before anything is removed: no cursor stands on what goes away.
  const due = [...ends.getKeys({ start: encodeTime(0), end: encodeTime(now + 1), limit: batch })];
  for (const at of due) {
    const { kind, key } = readEnd(at);
    void ends.remove(at);
    if (kind === kinds.record) {
      void records.remove(key);
      void holders.remove(holderKey(key));
      swept.records += 1;
    } else if (kind === kinds.replay) {
      void replays.remove(key);
      swept.replays += 1;
    } else {
      void nonces.remove(key);
      swept.nonces += 1;
    }
  }
  return { swept, more: due.length === batch };
};
