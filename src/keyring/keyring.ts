import type { PublishedKey, SetSnapshot, Snapshot } from './snapshot.ts';
import type { SourceStatus, RefreshOutcome } from '../sources/source.ts';

/** A key asked for by a name that the set does not know. */
export type KeyName = { readonly by: 'kid' | 'digest'; readonly value: string };

/** How the bounded refresh for an unknown name ended; also the label of `jwksd_demand_refresh_total`. */
export type DemandResult = 'found' | 'unknown' | 'negative' | 'throttled' | 'timeout' | 'overload';

/** The state of the service: the current snapshot, and the refreshes that replace it. */
export interface KeyringView {
  readonly current: Snapshot;
  sourceStatuses(): readonly SourceStatus[];
  /** Refreshes a source by name for an administrator; undefined when there is none of that name. */
  refresh(source: string): Promise<RefreshOutcome> | undefined;
  /**
   * Looks for a name that `set` does not have: one shared, rate-limited refresh of its sources, at most 1.5 s.
   *
   * Resolves with the keys of the name, empty when there are none.
   */
  demand(set: SetSnapshot, name: KeyName): Promise<readonly PublishedKey[]>;
  /** Demand refreshes so far, by result. */
  readonly demandResults: Readonly<Record<DemandResult, number>>;
}
