import type { Clock } from '../../clock.ts';
import type { ParsedSet } from '../../jwk/key.ts';
import { changesBetween } from '../changes.ts';
import type { Generation } from '../key-cache.ts';
import { paced } from '../pace.ts';
import type { KeyChanges } from '../source.ts';
import { nextGeneration, type Refusal } from './accept.ts';
import type { Success } from './exchange.ts';

/** What an upstream holds while an answer is looked at. */
export interface Held {
  readonly generation: Generation | undefined;
  /** Its keys were withdrawn, too old to be published. */
  readonly expired: boolean;
}

/** An accepted body, and what it makes of what was held. */
export interface Following {
  readonly held: Held;
  readonly parsed: ParsedSet;
  readonly generation: Generation;
  readonly changes: KeyChanges;
}

/** Whether a {@link Following} computed from the one may be applied to the other. */
export const isSame = (one: Held, other: Held): boolean =>
  one.generation === other.generation && one.expired === other.expired;

/**
 * What an attempt makes of `held`; undefined when it brought no body.
 *
 * Takes several turns of the event loop for a large set, so `held` may be history when it is done.
 */
export const follow = async (
  result: Success | Refusal,
  held: Held,
  options: { readonly clock: Clock; readonly removalConfirm: number; readonly maxKeys: number },
): Promise<Following | undefined> => {
  if (!result.ok || result.parsed === undefined) return undefined;
  const { parsed, url, answer } = result;
  const { clock, removalConfirm, maxKeys } = options;
  const { generation: before, expired } = held;
  // Attempts are unconditional and uncached whenever a key is retiring, so each of them may confirm.
  const confirming = (before?.retiring.length ?? 0) > 0;
  // Keys that have expired were withdrawn: an upstream that is back and lists others does not bring them back.
  const kept = expired ? undefined : before;
  const judged = { clock, removalConfirm, confirming, maxKeys };
  const generation = await paced(nextGeneration(kept, parsed.keys, { url, answer }, judged));
  const changes = await paced(changesBetween(before, generation));
  return { held, parsed, generation, changes };
};
