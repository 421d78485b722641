import type { Clock } from '../../clock.ts';
import { BoundedCache } from './bounded-cache.ts';
import type { GroupsAnswer, GroupsResolver } from './groups.ts';
import type { Tally } from './tally.ts';

/** Subjects whose groups are remembered at most. */
const maxEntries = 10_000;

/** What a place that cannot be asked means: nobody gets in, or everybody without groups. */
export type OnError = 'deny' | 'empty';

/**
 * Remembers what a resolver said for `ttl` milliseconds, lets questions about one subject share an answer, and decides
 * what a resolver that cannot be asked means. That itself is never remembered.
 */
export const remembering = (
  resolver: GroupsResolver,
  {
    clock,
    ttl,
    onError,
    warn,
    results,
  }: {
    clock: Clock;
    ttl: number;
    onError: OnError;
    warn: (hint: string) => void;
    /** Counts questions: `known`, `unknown`, `unavailable`, and `cached` for those an earlier answer was good for. */
    results: Tally;
  },
): GroupsResolver => {
  const known = new BoundedCache<GroupsAnswer>(clock, maxEntries);
  const asking = new Map<string, Promise<GroupsAnswer>>();
  const ask = async (sub: string): Promise<GroupsAnswer> => {
    const answer = await resolver.resolve(sub);
    results.bump(answer.known === 'unavailable' ? answer.known : answer.known ? 'known' : 'unknown');
    if (answer.known !== 'unavailable') {
      known.set(sub, answer, ttl);
      return answer;
    }
    warn(answer.hint);
    return onError === 'empty' ? { known: true, groups: [] } : answer;
  };
  return {
    resolve: async (sub) => {
      const remembered = known.get(sub);
      if (remembered !== undefined) {
        results.bump('cached');
        return remembered;
      }
      let answer = asking.get(sub);
      if (answer === undefined) {
        answer = ask(sub).finally(() => asking.delete(sub));
        asking.set(sub, answer);
      }
      return await answer;
    },
  };
};
