import type { Clock } from '../../clock.ts';
import type { GenerationSlot } from '../key-cache.ts';
import type { Log } from '../source.ts';
import type { Exchange } from './exchange.ts';
import type { Memory, Restored } from './memory.ts';
import type { StalenessOptions } from './state.ts';

/** What makes one upstream differ from another. Durations in milliseconds. */
export interface UpstreamOptions extends StalenessOptions {
  readonly name: string;
  readonly type: 'jwks' | 'oidc';
  readonly required: boolean;
  /** The configured URL or issuer without query and user info, for people. */
  readonly origin: string;
  readonly removalConfirm: number;
  /** Bounds the keys that are published although the upstream no longer lists them. */
  readonly maxKeys: number;
  /** Milliseconds to the first attempt, so that many upstreams do not start at once. */
  readonly firstDelay: number;
}

/** What an upstream works with. */
export interface UpstreamParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly slot: GenerationSlot;
  readonly exchange: Pick<Exchange, 'attempt' | 'remember'>;
  readonly memory: Memory;
  /** In [0, 1). */
  readonly random: () => number;
  /** What the source holds now whose place this one takes, because a reload changed its options. */
  readonly inherit?: (() => Restored | undefined) | undefined;
}
