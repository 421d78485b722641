import { Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { declareOn, type Sample } from './declare-metrics.ts';
import { declareValidation, type ValidationFigures } from './validation-metrics.ts';
import { createRequestCounts, type RequestCounts } from './request-counts.ts';
import type { RegistrationOutcomes } from './routes/registration/audit.ts';
import type { KeyringView } from '../keyring/keyring.ts';
import type { SetSnapshot } from '../keyring/snapshot.ts';
import type { RegistrationStore } from '../stores/store.ts';
import type { SourceState, SourceStatus } from '../sources/source.ts';

/** All metrics of one process. */
export interface Metrics {
  readonly registry: Registry;
  readonly requests: RequestCounts;
  /** Records a fetch of a source, in seconds. */
  readonly observeFetch: (source: string, seconds: number) => void;
}

const states: readonly SourceState[] = ['INIT', 'DOWN', 'RESTORED', 'FRESH', 'STALE', 'EXPIRED'];

/** One sample per source for which `read` has a value. */
const perSource = function* (
  statuses: readonly SourceStatus[],
  read: (status: SourceStatus) => number | undefined,
): Iterable<Sample> {
  for (const status of statuses) {
    const value = read(status);
    if (value !== undefined) yield [{ source: status.name }, value];
  }
};

/** One sample per source and entry of a record. */
const perEntry = (
  statuses: readonly SourceStatus[],
  label: string,
  read: (status: SourceStatus) => Readonly<Record<string, number | undefined>>,
): Sample[] =>
  statuses.flatMap((status) =>
    Object.entries(read(status)).map(([code, value]): Sample => [
      { source: status.name, [label]: code },
      value ?? 0,
    ]),
  );

const seconds = (milliseconds: number | undefined): number | undefined =>
  milliseconds === undefined ? undefined : milliseconds / 1000;

/** The first 48 bits of the ETag's hash, which a float holds exactly; 0 for a set that is not served. */
const fingerprint = (set: SetSnapshot): number => {
  const etag = set.document?.identity.etag;
  return etag === undefined ? 0 : Buffer.from(etag.slice(1, 9), 'base64url').readUIntBE(0, 6);
};

const tally = (codes: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  return counts;
};

/** What is shown of the registration of keys. */
export interface RegistrationView {
  readonly store: Pick<RegistrationStore, 'type' | 'health' | 'lastOk'>;
  readonly outcomes: Pick<RegistrationOutcomes, 'entries'>;
  readonly published: { readonly held: number };
}

/** What the metrics are read from. */
export interface MetricsOptions {
  readonly keyring: KeyringView;
  readonly version: string;
  /** Steps of the wall clock since the start. */
  readonly clockJumps: () => number;
  /** The registration of keys; undefined where there is none, or while it is being opened. */
  readonly registration?: () => RegistrationView | undefined;
  /** Undefined where no tokens are validated. */
  readonly validation?: () => ValidationFigures | undefined;
}

/**
 * The metrics of the service, with the runtime's own beside them.
 *
 * Labels are configured names and fixed codes; nothing a caller chose becomes one.
 */
export const createMetrics = (options: MetricsOptions): Metrics => {
  const { keyring, version, clockJumps } = options;
  const registry = new Registry();
  const requests = createRequestCounts();
  const { gauge, counter } = declareOn(registry);
  const source = ['source'];
  const read = () => keyring.sourceStatuses();

  collectDefaultMetrics({ register: registry });
  gauge('jwksd_build_info', 'Always 1; the version is the label.', ['version'], () => [[{ version }, 1]]);
  counter('jwksd_http_requests_total', 'Answers on the public listener.', ['route', 'status'], () =>
    requests.entries().map(({ route, status, count }): Sample => [{ route, status }, count]),
  );
  counter(
    'jwksd_upstream_demand_refresh_total',
    'Searches for a name no set had, by result.',
    ['result'],
    () => Object.entries(keyring.demandResults).map(([result, count]): Sample => [{ result }, count]),
  );

  counter('jwksd_clock_jumps_total', 'Steps of the wall clock of more than a minute.', [], () => [
    [{}, clockJumps()],
  ]);
  gauge('jwksd_denied_keys', 'Keys no set may publish.', [], () => [[{}, keyring.denied().length]]);

  const registered = function* (
    take: (view: RegistrationView) => Iterable<Sample> | number | undefined,
  ): Iterable<Sample> {
    const view = options.registration?.();
    const taken = view === undefined ? undefined : take(view);
    if (typeof taken === 'number') yield [{}, taken];
    else if (taken !== undefined) yield* taken;
  };
  counter(
    'jwksd_registrations_total',
    'Writes of clients that register keys, by what they did and what came of it.',
    ['act', 'outcome'],
    () =>
      registered(({ outcomes }) =>
        [...outcomes.entries()].map(({ act, outcome, count }): Sample => [{ act, outcome }, count]),
      ),
  );
  gauge('jwksd_registration_store_up', '1 while registered keys can be stored.', [], () =>
    registered(({ store }) => (store.health.ok ? 1 : 0)),
  );
  gauge(
    'jwksd_registration_store_last_ok_timestamp_seconds',
    'Date when the store of registered keys last did what it was asked for.',
    [],
    () => registered(({ store }) => seconds(store.lastOk)),
  );
  gauge('jwksd_registration_sets_bytes', 'Bytes of the JWK Sets of clients that are held.', [], () =>
    registered(({ published }) => published.held),
  );

  gauge('jwksd_snapshot_generation', 'Counts the snapshots of this process.', [], () => [
    [{}, keyring.current.generation],
  ]);
  gauge('jwksd_ready', '1 when the service is ready.', [], () => [
    [{}, keyring.current.readiness.ready ? 1 : 0],
  ]);
  gauge('jwksd_set_keys', 'Published keys.', ['set'], () =>
    [...keyring.current.sets.values()].map((set): Sample => [{ set: set.name }, set.keys.length]),
  );
  gauge('jwksd_set_withheld', 'Keys a source has and the set does not publish.', ['set', 'reason'], () =>
    [...keyring.current.sets.values()].flatMap((set) =>
      [...tally(set.withheld.map((key) => key.reason))].map(([reason, count]): Sample => [
        { set: set.name, reason },
        count,
      ]),
    ),
  );

  gauge('jwksd_set_fingerprint', 'A number made of the ETag: equal on replicas that agree.', ['set'], () =>
    [...keyring.current.sets.values()].map((set): Sample => [{ set: set.name }, fingerprint(set)]),
  );

  gauge('jwksd_upstream_state', '1 for the state a source is in.', ['source', 'state'], () =>
    read().flatMap((status) =>
      states.map((state): Sample => [{ source: status.name, state }, status.state === state ? 1 : 0]),
    ),
  );
  counter('jwksd_upstream_fetch_total', 'Finished attempts by result.', ['source', 'result'], () =>
    perEntry(read(), 'result', (status) => status.attempts),
  );
  gauge('jwksd_upstream_age_seconds', 'Time since the last success.', source, () =>
    perSource(read(), (status) => seconds(status.age)),
  );
  gauge('jwksd_upstream_last_success_timestamp_seconds', 'Date of the last success.', source, () =>
    perSource(read(), (status) => seconds(status.lastSuccess)),
  );
  gauge('jwksd_upstream_consecutive_failures', 'Failures since the last success.', source, () =>
    perSource(read(), (status) => status.consecutiveFailures),
  );
  gauge('jwksd_upstream_next_refresh_seconds', 'Time until the next attempt.', source, () =>
    perSource(read(), (status) => seconds(status.nextAttemptIn)),
  );
  gauge('jwksd_upstream_keys', 'Keys a source has to give.', source, () =>
    perSource(read(), (status) => status.keys),
  );
  gauge('jwksd_upstream_keys_retiring', 'Keys whose removal is not confirmed yet.', source, () =>
    perSource(read(), (status) => status.retiring),
  );
  gauge('jwksd_upstream_keys_rejected', 'Keys of the last input not admitted.', ['source', 'reason'], () =>
    perEntry(read(), 'reason', (status) => status.rejected),
  );
  counter('jwksd_upstream_key_changes_total', 'Key changes since the start.', ['source', 'change'], () =>
    perEntry(read(), 'change', (status) => ({ ...status.keyChanges })),
  );
  counter('jwksd_lkg_writes_total', 'Writes of last-known-good files.', source, () =>
    perSource(read(), (status) => status.remembered?.writes),
  );
  counter('jwksd_lkg_errors_total', 'Writes of last-known-good files that failed.', source, () =>
    perSource(read(), (status) => status.remembered?.errors),
  );
  declareValidation({ gauge, counter }, () => options.validation?.());
  const observed = new Set<string>();
  const durations = new Histogram({
    name: 'jwksd_upstream_fetch_duration_seconds',
    help: 'Time of one fetch of a JWK Set, redirects and body included.',
    labelNames: source,
    buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
    registers: [registry],
    collect() {
      // A source that a reload took away leaves no series behind.
      const known = new Set(read().map(({ name }) => name));
      for (const name of observed)
        if (!known.has(name) && observed.delete(name)) this.remove({ source: name });
    },
  });
  return {
    registry,
    requests,
    observeFetch: (name, duration) => {
      observed.add(name);
      durations.observe({ source: name }, duration);
    },
  };
};
