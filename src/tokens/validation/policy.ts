import { audienceOf } from './issuers.ts';
import { refused, type Accepted, type Refused } from './outcome.ts';

/** What a caller demands of a token beside its being valid. Empty: nothing more. */
export interface Policy {
  /** Each must be in `aud`. */
  readonly audience: readonly string[];
  /** Each must be a word of `scope` (RFC 8693 §4.2), or an item of `scp`. */
  readonly scope: readonly string[];
  /** Each must be among the groups, whatever its case. */
  readonly group: readonly string[];
}

/** Demands nothing. */
export const noPolicy: Policy = { audience: [], scope: [], group: [] };

/** The scopes of a token: the words of `scope`, or of `scp` where there is no `scope`. */
export const scopesOf = (claims: Readonly<Record<string, unknown>>): readonly string[] => {
  const value = claims['scope'] ?? claims['scp'];
  const words: readonly unknown[] = Array.isArray(value) ? value : [value];
  return words
    .flatMap((each) => (typeof each === 'string' ? each.split(' ') : []))
    .filter((each) => each !== '');
};

/** Holds an accepted token against a policy; undefined when it meets it. */
export const judgePolicy = (
  { claims, groups, issuer }: Accepted,
  { audience, scope, group }: Policy,
): Refused | undefined => {
  // Most callers demand nothing, and need not wait for what nobody asked for to be looked up.
  if (audience.length + scope.length + group.length === 0) return undefined;
  const audiences = new Set(audienceOf(claims));
  const noAudience = audience.find((each) => !audiences.has(each));
  if (noAudience !== undefined) {
    return refused(
      'policy_audience',
      `aud does not hold ${JSON.stringify(noAudience)}; have the client ask for a token for it, or the caller ask for less`,
      issuer,
    );
  }
  const scopes = new Set(scopesOf(claims));
  const noScope = scope.find((each) => !scopes.has(each));
  if (noScope !== undefined) {
    return refused(
      'policy_scope',
      `scope does not hold the word ${JSON.stringify(noScope)}; have the client ask for that scope`,
      issuer,
    );
  }
  const known = new Set(groups.map((each) => each.toLowerCase()));
  const noGroup = group.find((each) => !known.has(each.toLowerCase()));
  if (noGroup !== undefined) {
    return refused(
      'policy_group',
      `the subject is not in the group ${JSON.stringify(noGroup)}; its groups are told by the answer without that policy`,
      issuer,
    );
  }
  return undefined;
};
