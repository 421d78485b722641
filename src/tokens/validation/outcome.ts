import type { InvalidReason } from '../verify.ts';

/** Why a token is not accepted here, by its stable code; those of {@link InvalidReason} are about the token alone. */
export type RefusalReason =
  | InvalidReason
  | 'no_token'
  | 'opaque'
  | 'unknown_issuer'
  | 'bad_sub'
  | 'bad_groups'
  | 'bad_audience'
  | 'remote_refused'
  | 'remote_unavailable'
  | 'policy_audience'
  | 'policy_scope'
  | 'policy_group'
  | 'groups_unavailable';

/** Reasons that are about what the holder of a valid token may do: 403 where the others are 401. */
const policyReasons: ReadonlySet<RefusalReason> = new Set([
  'policy_audience',
  'policy_scope',
  'policy_group',
  'groups_unavailable',
]);

/** Whether a refusal leaves the token valid and forbids its use. */
export const isPolicy = (reason: RefusalReason): boolean => policyReasons.has(reason);

const undecidedReasons: ReadonlySet<RefusalReason> = new Set([
  'no_keys',
  'remote_unavailable',
  'groups_unavailable',
]);

/** Whether a refusal is for want of keys, of an answer or of groups: the token may be good, and nobody can tell now. */
export const isUndecided = (reason: RefusalReason): boolean => undecidedReasons.has(reason);

/** A token that was accepted. */
export interface Accepted {
  readonly valid: true;
  /** Never empty. */
  readonly sub: string;
  /** `iss` of the token; undefined when it has none. */
  readonly iss: string | undefined;
  /** Name of the issuer's entry in the configuration, or `remote`. */
  readonly issuer: string;
  /** Every claim of the token, or of the remote's answer; nothing was taken out. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** From the first place that knows them; empty when none does. Each spelling once, whatever its case. */
  readonly groups: readonly string[];
}

/** A token that was not. */
export interface Refused {
  readonly valid: false;
  readonly reason: RefusalReason;
  /** A sentence for operators that names the next step. For `explain` and the log, never for the caller. */
  readonly hint: string;
  /** Name of the issuer's entry, where one was found. */
  readonly issuer?: string;
}

/** What became of a token. Never an exception. */
export type Validation = Accepted | Refused;

/** A refusal. */
export const refused = (reason: RefusalReason, hint: string, issuer?: string): Refused => ({
  valid: false,
  reason,
  hint,
  ...(issuer === undefined ? {} : { issuer }),
});
