import { isCurrent, isLapsed, newRecord, renewedRecord, type Ending } from './record.ts';
import type { Limits, RegisteredKey, RegisterOutcome, Registration } from './store.ts';

/** What a decision looks at, asked for one by one; all answers are of one moment in which nobody else writes. */
export interface Situation {
  /** Whether the registration's `jti` is used up. Asked when there is one. */
  replayed(): boolean;
  /** Whether the registration's nonce is good. Asked when there is one. */
  nonceIsGood(): boolean;
  /** The record of this key and client. */
  record(): RegisteredKey | undefined;
  /** Whether {@link countsAsHeld} is true for another client's record of this key. Asked when keys are to be unique. */
  heldElsewhere(): boolean;
  /** How many records the client has, expired ones not counted. */
  counts(): { readonly current: number; readonly tombstones: number };
}

/** Whether a client's record keeps the key from other clients: it has the key, or lost it to somebody. */
export const countsAsHeld = (record: Ending, now: number): boolean =>
  record.revoked === undefined ? record.expiresAt > now : record.revoked.reason === 'compromised';

/** Tombstones of one client at most: they are kept for good, so something must end their number. */
const mostTombstones = ({ maxKeysPerClient }: Limits): number => Math.max(1000, 10 * maxKeysPerClient);

/**
 * The one rule for registrations, whatever the backend: `created` and `exists` come with the record to write, together
 * with the replay entry and the removal of the nonce; all others write nothing.
 */
export const decide = (registration: Registration, situation: Situation, now: number): RegisterOutcome => {
  const { replay, nonce, limits } = registration;
  if (replay !== undefined && situation.replayed()) return { outcome: 'replayed' };
  if (nonce !== undefined && !situation.nonceIsGood()) return { outcome: 'nonce_invalid' };
  const record = situation.record();
  if (record !== undefined && !isLapsed(record, now))
    return isCurrent(record, now)
      ? { outcome: 'exists', record: renewedRecord(record, registration, now) }
      : { outcome: 'revoked', record };
  if (limits.uniqueAcrossClients && situation.heldElsewhere()) return { outcome: 'in_use' };
  const { current, tombstones } = situation.counts();
  if (current >= limits.maxKeysPerClient || tombstones >= mostTombstones(limits))
    return { outcome: 'too_many' };
  return { outcome: 'created', record: newRecord(registration, now) };
};
