import type { Members } from './json-object.ts';

/** The end of the year 9999, in seconds since the epoch: no date of a token is later. */
const latest = 253_402_300_799;

/** Whether a claim can be a NumericDate (RFC 7519 §2): a number of seconds from 1970 to 9999. */
export const isNumericDate = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= latest;

/** What the dates of a token are held against. */
export interface TimeRules {
  /** Seconds since the epoch. */
  readonly now: number;
  /** Seconds the clocks of signer and verifier may be apart. */
  readonly clockSkew: number;
  /** Whether a token without `exp` is taken. */
  readonly allowNoExp: boolean;
}

/** What is wrong with the dates of a token. */
export interface TimeProblem {
  readonly reason: 'bad_claim' | 'no_exp' | 'expired' | 'not_yet_valid';
  /** A sentence for people that names the next step. */
  readonly detail: string;
}

/** Judges `exp`, `nbf` and `iat` (RFC 7519 §4.1.4 to §4.1.6); undefined when they are all right. */
export const judgeTimes = (claims: Members, rules: TimeRules): TimeProblem | undefined => {
  for (const name of ['exp', 'nbf', 'iat']) {
    if (claims[name] !== undefined && !isNumericDate(claims[name])) {
      const detail = `${name} is not a number of seconds since 1970; have the signer write it as one`;
      return { reason: 'bad_claim', detail };
    }
  }
  const { exp, nbf } = claims;
  const { now, clockSkew } = rules;
  if (typeof exp !== 'number') {
    if (rules.allowNoExp) return judgeStart(nbf, rules);
    return {
      reason: 'no_exp',
      detail: 'the token has no exp, so it would be valid for ever; have the signer add one',
    };
  }
  // RFC 7519 §4.1.4: on or after exp it is not accepted.
  if (now >= exp + clockSkew) {
    const detail = `the token expired ${duration(now - exp)} ago; get a new one, or compare the clocks if it is new`;
    return { reason: 'expired', detail };
  }
  return judgeStart(nbf, rules);
};

const judgeStart = (nbf: unknown, { now, clockSkew }: TimeRules): TimeProblem | undefined => {
  if (typeof nbf !== 'number' || now + clockSkew >= nbf) return undefined;
  const detail = `the token is valid in ${duration(nbf - now)} only (nbf); compare the clocks of signer and verifier`;
  return { reason: 'not_yet_valid', detail };
};

/** Seconds as people say them: the largest unit of which there are two, rounded down. */
export const duration = (seconds: number): string => {
  if (seconds >= 2 * 86_400) return `${Math.floor(seconds / 86_400)} d`;
  if (seconds >= 2 * 3600) return `${Math.floor(seconds / 3600)} h`;
  if (seconds >= 120) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds)} s`;
};
