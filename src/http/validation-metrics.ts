import type { SystemTokenState } from '../tokens/validation/system-token.ts';
import type { Declare, Sample } from './declare-metrics.ts';

type Counts = Readonly<Record<string, number>>;

/** What the validation of tokens counted so far. */
export interface ValidationFigures {
  /** Tokens by outcome: `valid`, or the reason of the refusal. */
  readonly results: Counts;
  /** Questions to places with groups, by place and result. */
  readonly groups: Readonly<Record<string, Counts>>;
  /** Questions to the authentication server by result; undefined where there is none. */
  readonly remote: Counts | undefined;
  /** Questions to the cache of verified tokens by result; undefined where there is none. */
  readonly tokenCache: Counts | undefined;
  /** Undefined where there is none. */
  readonly systemToken: SystemTokenState | undefined;
}

const byResult = (counts: Counts | undefined): Sample[] =>
  Object.entries(counts ?? {}).map(([result, count]): Sample => [{ result }, count]);

/** Declares the metrics of the validation of tokens; they have no samples where there is none. */
export const declareValidation = (
  { gauge, counter }: { readonly gauge: Declare; readonly counter: Declare },
  read: () => ValidationFigures | undefined,
): void => {
  const result = ['result'];
  counter('jwksd_validations_total', 'Tokens judged, by outcome.', result, () => byResult(read()?.results));
  counter(
    'jwksd_groups_lookups_total',
    'Questions for groups, by place and result.',
    ['place', ...result],
    () =>
      Object.entries(read()?.groups ?? {}).flatMap(([place, counts]) =>
        Object.entries(counts).map(([name, count]): Sample => [{ place, result: name }, count]),
      ),
  );
  counter(
    'jwksd_remote_validations_total',
    'Questions to the authentication server, by result.',
    result,
    () => byResult(read()?.remote),
  );
  counter('jwksd_token_cache_total', 'Questions to the cache of verified tokens, by result.', result, () =>
    byResult(read()?.tokenCache),
  );
  gauge('jwksd_system_token_valid', '1 when the system token is valid.', [], () => {
    const state = read()?.systemToken;
    return state === undefined ? [] : [[{}, state.valid ? 1 : 0]];
  });
  gauge('jwksd_system_token_expiry_timestamp_seconds', 'Date at which the system token ends.', [], () => {
    const state = read()?.systemToken;
    return state?.valid === true && state.expires !== undefined ? [[{}, state.expires / 1000]] : [];
  });
};
