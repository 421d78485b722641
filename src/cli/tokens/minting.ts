import { randomUUID } from 'node:crypto';
import { systemClock } from '../../clock.ts';
import type { Minting } from '../../tokens/profiles/profile.ts';

/** What a token made now gets: the time, and a name of its own. */
export const minting = (): Minting => ({ now: Math.floor(systemClock.wall() / 1000), id: randomUUID() });

/** A request for nothing in particular. */
export const emptyRequest = {
  groups: [],
  audience: [],
  events: new Map<string, readonly string[]>(),
  instructor: false,
  claims: new Map<string, unknown>(),
} as const;
