import type { Clock } from '../../clock.ts';
import { excerpt } from '../../jwk/excerpt.ts';
import type { Key } from '../../jwk/key.ts';
import { readObject, type Members } from '../json-object.ts';
import { parseCompactJws } from '../jws.ts';
import { verifyRead, type ReadToken, type Verification } from '../verify.ts';
import { refused, type Refused } from './outcome.ts';
import { isSubject } from './subject.ts';
import type { VerifiedTokens } from './verified-tokens.ts';

/** An issuer, and the keys that are its own. */
export interface Issuer {
  /** Its name in the configuration. */
  readonly name: string;
  /** `iss` exactly; undefined: tokens of any issuer that no other entry names, and those without `iss`. */
  readonly issuer: string | undefined;
  /**
   * The keys that verify its tokens at this moment, and nothing else does (RFC 8725 §3.8).
   *
   * The same array for as long as they are the same keys.
   */
  readonly keys: () => readonly Key[];
  /** One bounded refresh for a `kid` that is not among them; resolves when it is over, whatever came of it. */
  readonly demand: (kid: string) => Promise<unknown>;
  /** Undefined: the algorithms of the keys. */
  readonly algorithms: readonly string[] | undefined;
  /** One of them must be in `aud`; empty: whatever it is. */
  readonly audience: readonly string[];
  /** Milliseconds. */
  readonly clockSkew: number;
  readonly allowNoExp: boolean;
}

/** A token of a known issuer: signature, dates, audience and the shape of its claims are good. */
export interface SignedBy {
  readonly valid: true;
  readonly issuer: Issuer;
  readonly sub: string;
  readonly iss: string | undefined;
  readonly claims: Members;
}

/** Longest token that is judged, in bytes. */
export const longestToken = 16 * 1024;

/**
 * Validates a token with the keys of the issuer it names, and with no other's.
 *
 * Which issuer is asked is decided by `iss` before anything is verified; the signature then vouches for it. An unknown
 * `kid` costs one bounded refresh of that issuer's keys. `verified` spares tokens it knows the signature alone.
 */
export const validateSigned = async (
  token: string,
  issuers: readonly Issuer[],
  clock: Pick<Clock, 'wall'>,
  verified?: VerifiedTokens,
): Promise<SignedBy | Refused> => {
  const known = verified?.get(token);
  if (known !== undefined) return known;
  const read = readToken(token);
  if ('valid' in read) return read;
  const { iss } = read.claims;
  if (iss !== undefined && typeof iss !== 'string') {
    return refused('bad_claim', 'iss is not a text (RFC 7519 §4.1.1); have the signer write it as one');
  }
  const issuer = issuerOf(iss, issuers);
  if (issuer === undefined) {
    const hint =
      iss === undefined
        ? 'the token has no iss, and no entry of validation.issuers takes tokens without one'
        : `no entry of validation.issuers has the issuer ${JSON.stringify(excerpt(iss))}; compare it letter by letter`;
    return refused('unknown_issuer', hint);
  }
  let keys = issuer.keys();
  let outcome = await verifyWith(read, keys, issuer, clock);
  const { kid } = read.jws.header;
  if (!outcome.valid && outcome.reason === 'unknown_kid' && typeof kid === 'string') {
    await issuer.demand(kid);
    keys = issuer.keys();
    outcome = await verifyWith(read, keys, issuer, clock);
  }
  if (!outcome.valid) return refused(outcome.reason, outcome.detail, issuer.name);
  const signed = judgeClaims(outcome.claims, issuer);
  if (signed.valid) verified?.add(token, signed, keys);
  return signed;
};

/** What a token says of itself before anybody vouches for it. */
const readToken = (token: string): ReadToken | Refused => {
  if (token === '') return refused('no_token', 'there is no token; send it as Authorization: Bearer');
  const parsed = parseCompactJws(token, longestToken);
  if (!parsed.ok) {
    const { problem, detail } = parsed;
    if (problem === 'too_large') return refused('too_large', `${detail}; have its issuer put less into it`);
    return problem === 'not_compact'
      ? refused('opaque', `this is not a signed JWT: ${detail}`)
      : refused('malformed', `this is not a signed JWT: ${detail}`);
  }
  const { jws } = parsed;
  const claims = readObject(jws.payload);
  if (!claims.ok) return refused('malformed', 'the payload is not one JSON object with each member once');
  return { jws, claims: claims.members };
};

const issuerOf = (iss: string | undefined, issuers: readonly Issuer[]): Issuer | undefined =>
  (iss === undefined ? undefined : issuers.find(({ issuer }) => issuer === iss)) ??
  issuers.find(({ issuer }) => issuer === undefined);

const verifyWith = async (
  token: ReadToken,
  keys: readonly Key[],
  { issuer, algorithms, clockSkew, allowNoExp }: Issuer,
  clock: Pick<Clock, 'wall'>,
): Promise<Verification> =>
  await verifyRead(token, keys, {
    clock,
    algorithms,
    clockSkew: clockSkew / 1000,
    allowNoExp,
    // Whoever signs for no fixed issuer was given a PEM, which has no kid to put into the token.
    tryOtherKids: issuer === undefined,
  });

const judgeClaims = (claims: Members, issuer: Issuer): SignedBy | Refused => {
  const { sub, iss } = claims;
  if (!isSubject(sub)) {
    return refused(
      'bad_sub',
      'sub is not a text with at least one character; have the issuer name the subject',
      issuer.name,
    );
  }
  const audience = audienceOf(claims);
  if (audience === undefined) {
    return refused(
      'bad_audience',
      'aud is neither a text nor a list of texts (RFC 7519 §4.1.3)',
      issuer.name,
    );
  }
  if (issuer.audience.length > 0 && !issuer.audience.some((each) => audience.includes(each))) {
    const wanted = issuer.audience.map((each) => JSON.stringify(each)).join(' or ');
    return refused('bad_audience', `aud holds none of what is expected here: ${wanted}`, issuer.name);
  }
  return { valid: true, issuer, sub, iss: typeof iss === 'string' ? iss : undefined, claims };
};

/** `aud` as a list, empty when there is none; undefined when it is neither a text nor a list of texts. */
export const audienceOf = (claims: Readonly<Record<string, unknown>>): readonly string[] | undefined => {
  const { aud } = claims;
  if (aud === undefined) return [];
  const list: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return list.every((each) => typeof each === 'string') ? list : undefined;
};
