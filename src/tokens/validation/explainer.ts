import type { Clock } from '../../clock.ts';
import { excerpt } from '../../jwk/excerpt.ts';
import type { SourceState } from '../../sources/source.ts';
import { explainToken } from '../explain.ts';
import { readObject } from '../json-object.ts';
import { parseCompactJws } from '../jws.ts';
import { duration } from '../times.ts';
import { longestToken, type Issuer } from './issuers.ts';
import type { Refused, RefusalReason, Validation } from './outcome.ts';
import type { Policy } from './policy.ts';
import type { Validator } from './validator.ts';

/** What is known of the set of an issuer beside its keys. */
export interface SetKnowledge {
  /** Its name. */
  readonly set: string;
  /** Milliseconds since the epoch at which a `kid` left the set; undefined unless it was seen to leave. */
  readonly leftAt: (kid: string) => number | undefined;
  /** Why a key a source has is not in the set, in words; undefined for a `kid` that is not withheld. */
  readonly withheld: (kid: string) => string | undefined;
  readonly sources: readonly {
    readonly name: string;
    readonly state: SourceState;
    /** Milliseconds since the last success. */
    readonly age: number | undefined;
    /** A sentence about the last failure. */
    readonly error: string | undefined;
  }[];
}

/** What an explainer works with. */
export interface ExplainerParts {
  readonly clock: Pick<Clock, 'wall'>;
  readonly validator: Pick<Validator, 'judge'>;
  readonly issuers: readonly Issuer[];
  /** Undefined for a set that does not exist. */
  readonly knowledge: (issuer: Issuer) => SetKnowledge | undefined;
}

/** The reasons that other keys, or other names of keys, would change. */
const keyReasons: ReadonlySet<RefusalReason> = new Set([
  'no_keys',
  'unknown_kid',
  'alg_mismatch',
  'bad_signature',
]);

/**
 * Says why a token is not valid here, with all that is known of keys, sources and other issuers.
 *
 * The verdict is the validator's own. The sentence may cost a verification per key and names what is configured, so it is
 * for operators alone.
 */
export class Explainer {
  readonly #parts: ExplainerParts;

  constructor(parts: ExplainerParts) {
    this.#parts = parts;
  }

  /** Never rejects. A refusal's `hint` is for people; neither holds the token. */
  async explain(token: string, policy: Policy): Promise<Validation> {
    const outcome = await this.#parts.validator.judge(token, policy);
    return outcome.valid ? outcome : { ...outcome, hint: await this.#hint(token, outcome) };
  }

  async #hint(token: string, refusal: Refused): Promise<string> {
    const { reason, hint } = refusal;
    if (reason === 'unknown_issuer') return this.#nearIssuer(token) ?? hint;
    const issuer = this.#parts.issuers.find(({ name }) => name === refusal.issuer);
    if (issuer === undefined) return hint;
    if (reason === 'expired' || reason === 'not_yet_valid') return `${hint}; ${skewOf(issuer)}`;
    if (!keyReasons.has(reason)) return hint;
    const about = this.#parts.knowledge(issuer);
    if (about === undefined) {
      return `the set of validation.issuers.${issuer.name} is not there; restart jwksd with the configuration it has now`;
    }
    const why = (await this.#keyHint(token, issuer, about)) ?? hint;
    return [why, ...troubles(about)].join('; ');
  }

  async #keyHint(token: string, issuer: Issuer, about: SetKnowledge): Promise<string | undefined> {
    const parsed = parseCompactJws(token, longestToken);
    if (!parsed.ok) return undefined;
    const { kid } = parsed.jws.header;
    const keys = issuer.keys();
    if (typeof kid === 'string' && !keys.some((key) => key.jwk.kid === kid)) {
      const known = this.#missing(kid, issuer, about);
      if (known !== undefined) return known;
    }
    const { clock } = this.#parts;
    const { algorithms, clockSkew, allowNoExp } = issuer;
    const verdict = await explainToken(token, keys, {
      clock,
      algorithms,
      clockSkew: clockSkew / 1000,
      allowNoExp,
      tryOtherKids: issuer.issuer === undefined,
    });
    return verdict.valid ? undefined : verdict.detail;
  }

  /** Where a `kid` is that the issuer's set does not have. */
  #missing(kid: string, issuer: Issuer, { set, leftAt, withheld }: SetKnowledge): string | undefined {
    const name = `kid ${JSON.stringify(excerpt(kid) ?? '')}`;
    const why = withheld(kid);
    if (why !== undefined) {
      return `the key of ${name} is not in the set ${set}: ${why}; have the signer use another key, or let this one in again`;
    }
    const left = leftAt(kid);
    if (left !== undefined) {
      const ago = duration((this.#parts.clock.wall() - left) / 1000);
      return `${name} was retired from the set ${set} ${ago} ago; the token is older than that, or its signer still uses a key its issuer no longer lists`;
    }
    const other = this.#parts.issuers.find(
      (each) => each !== issuer && each.keys().some((key) => key.jwk.kid === kid),
    );
    if (other === undefined) return undefined;
    return `${name} is a key of validation.issuers.${other.name}, and the token is in the name of ${nameOf(issuer)}: no issuer's key verifies another's token; correct iss or the key in the signer`;
  }

  /** The issuer a token may mean whose `iss` is spelled otherwise. */
  #nearIssuer(token: string): string | undefined {
    const parsed = parseCompactJws(token, longestToken);
    const claims = parsed.ok ? readObject(parsed.jws.payload) : undefined;
    const iss = claims?.ok === true ? claims.members['iss'] : undefined;
    if (typeof iss !== 'string') return undefined;
    const near = this.#parts.issuers.find(
      ({ issuer }) => issuer !== undefined && folded(issuer) === folded(iss),
    );
    if (near === undefined) return undefined;
    return `the token has the iss ${JSON.stringify(excerpt(iss))}, and validation.issuers.${near.name} has ${JSON.stringify(near.issuer)}: they must be equal letter by letter; correct the configuration, or the signer`;
  }
}

const nameOf = ({ issuer }: Issuer): string =>
  issuer === undefined ? 'no issuer that has an entry of its own' : JSON.stringify(issuer);

/** What people get wrong about issuers: case, scheme, the slash at the end. */
const folded = (issuer: string): string =>
  issuer
    .toLowerCase()
    .replace(/^https?:\/\//u, '')
    .replace(/\/$/u, '');

const skewOf = ({ name, clockSkew }: Issuer): string =>
  `the clocks may be ${clockSkew / 1000} s apart here (validation.issuers.${name}.clockSkew)`;

/** What is wrong with the sources of a set, each in a sentence. */
const troubles = ({ set, sources }: SetKnowledge): readonly string[] =>
  sources
    .filter(({ state }) => state !== 'FRESH')
    .map(({ name, state, age, error }) => {
      const since = age === undefined ? 'never loaded' : `last loaded ${duration(age / 1000)} ago`;
      return `the set ${set} may be old: its source ${name} is ${state}, ${since}${error === undefined ? '' : ` (${error})`}`;
    });
