import type { Clock } from '../../clock.ts';
import { distinct, groupsOfClaim, type GroupsResolver } from './groups.ts';
import { validateSigned, type Issuer } from './issuers.ts';
import { refused, type Accepted, type Refused, type Validation } from './outcome.ts';
import { judgePolicy, type Policy } from './policy.ts';
import { Tally } from './tally.ts';
import type { VerifiedTokens } from './verified-tokens.ts';

/** A server that is asked about a token; what it says is believed. */
export interface Remote {
  /** Never rejects. */
  ask(token: string): Promise<RemoteAnswer>;
}

/** What a remote says of a token. */
export type RemoteAnswer =
  | {
      readonly valid: true;
      readonly sub: string;
      readonly iss: string | undefined;
      readonly claims: Readonly<Record<string, unknown>>;
    }
  /** It was asked and did not validate the token, or could not be asked. */
  | { readonly valid: false; readonly unavailable: boolean; readonly hint: string };

/** A token whose identity is settled, without its groups. */
export interface Identity {
  readonly sub: string;
  readonly iss: string | undefined;
  readonly issuer: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** What a validator works with. */
export interface ValidatorParts {
  readonly clock: Pick<Clock, 'wall'>;
  readonly issuers: readonly Issuer[];
  /** Asked first; undefined: nobody is. */
  readonly remote?: Remote | undefined;
  /** When the keys here are tried although there is a remote. */
  readonly fallback?: 'always' | 'unavailable-only' | 'never';
  /** Undefined: every token is verified every time. */
  readonly verified?: VerifiedTokens | undefined;
  readonly groups: {
    readonly claim: string;
    /** The claim is one of them, by `claim`. */
    readonly order: readonly ('claim' | GroupsResolver)[];
  };
}

/** Judges tokens by signature and dates, groups and policy. One for the whole service; every surface is an adapter of it. */
export class Validator {
  readonly #parts: ValidatorParts;
  readonly #results = new Tally();

  constructor(parts: ValidatorParts) {
    this.#parts = parts;
  }

  /** Outcomes so far: `valid`, or the reason of the refusal. */
  get results(): Readonly<Record<string, number>> {
    return this.#results.counts;
  }

  /** Judges a token and counts the outcome. Never rejects, whatever the token is. */
  async validate(token: string, policy: Policy): Promise<Validation> {
    const outcome = await this.judge(token, policy);
    this.#results.bump(outcome.valid ? 'valid' : outcome.reason);
    return outcome;
  }

  /** The same uncounted: for whoever asks about a token, and not with it. */
  async judge(token: string, policy: Policy): Promise<Validation> {
    const identity = await this.identify(token);
    if ('valid' in identity) return identity;
    const groups = await this.#groups(identity);
    if (!Array.isArray(groups)) return groups as Refused;
    const accepted: Accepted = { valid: true, ...identity, groups };
    return judgePolicy(accepted, policy) ?? accepted;
  }

  /** Whose token it is; groups and policy are not looked at. Never rejects. */
  async identify(token: string): Promise<Identity | Refused> {
    const { remote, fallback = 'always', issuers, clock, verified } = this.#parts;
    let refusal: Refused | undefined;
    if (remote !== undefined && token !== '') {
      const answer = await remote.ask(token);
      if (answer.valid) {
        return { sub: answer.sub, iss: answer.iss, issuer: 'remote', claims: answer.claims };
      }
      refusal = refused(answer.unavailable ? 'remote_unavailable' : 'remote_refused', answer.hint, 'remote');
      const goOn = fallback === 'always' || (fallback === 'unavailable-only' && answer.unavailable);
      if (!goOn) return refusal;
    }
    // Without keys of its own there is nothing to add to what the remote said.
    if (refusal !== undefined && issuers.length === 0) return refusal;
    const signed = await validateSigned(token, issuers, clock, verified);
    if (signed.valid) {
      const { sub, iss, issuer, claims } = signed;
      return { sub, iss, issuer: issuer.name, claims };
    }
    // Of a token that is nothing the keys here could verify, the remote's word is the one that explains.
    if (refusal === undefined) return signed;
    return signed.reason === 'opaque'
      ? refusal
      : { ...signed, hint: `${signed.hint}; asked before, ${refusal.hint}` };
  }

  async #groups({ sub, claims, issuer }: Identity): Promise<readonly string[] | Refused> {
    const { claim, order } = this.#parts.groups;
    const claimed = groupsOfClaim(claims[claim]);
    if (claimed === 'malformed') {
      const hint = `the claim ${claim} is not a list of texts; have the issuer write it as one`;
      return refused('bad_groups', hint, issuer);
    }
    for (const place of order) {
      if (place === 'claim') {
        if (claimed !== 'absent') return claimed;
        continue;
      }
      const answer = await place.resolve(sub);
      if (answer.known === 'unavailable') return refused('groups_unavailable', answer.hint, issuer);
      if (answer.known) return distinct(answer.groups);
    }
    return [];
  }
}
