import { createHash } from 'node:crypto';
import type { Members } from '../json-object.ts';
import type { ProofContext } from './context.ts';
import { isNumericDate } from '../times.ts';
import { refuse, type Proved, type ProofRefusal } from './outcome.ts';

/** Claims that hold, with what the store has to check. */
export type JudgedClaims = ({ readonly ok: true } & Pick<Proved, 'replay' | 'nonce'>) | ProofRefusal;

/** Seconds a proof may be older than this server's clock. */
const oldest = 300;
/** Seconds it may be ahead of it. */
const ahead = 60;
/** Seconds between `iat` and `exp`. */
const longestLife = 600;

/** One to 256 characters that every store keeps as they are: no control characters, no half of a surrogate pair. */
const isToken = (value: unknown): value is string =>
  typeof value === 'string' && /^[^\p{Cc}\p{Cs}]{1,256}$/u.test(value);

/** Judges `iat`, `exp` and `nbf` as far as they are present (RFC 7519 §4.1.4 to §4.1.6). */
const judgeTimes = ({ iat, exp, nbf }: Members, now: number): ProofRefusal | undefined => {
  const seconds = Math.floor(now / 1000);
  if (iat !== undefined) {
    if (!isNumericDate(iat)) return refuse('bad_iat', 'iat is not a number of seconds');
    if (iat < seconds - oldest) {
      return refuse('too_old', `iat is more than ${oldest} s before the time of this server`);
    }
    if (iat > seconds + ahead) {
      return refuse('from_the_future', `iat is more than ${ahead} s after the time of this server`);
    }
  }
  if (exp !== undefined) {
    if (!isNumericDate(exp)) return refuse('bad_exp', 'exp is not a number of seconds');
    if (exp <= seconds) return refuse('expired', 'exp is past');
  }
  if (nbf !== undefined) {
    if (!isNumericDate(nbf)) return refuse('bad_nbf', 'nbf is not a number of seconds');
    if (nbf > seconds) return refuse('not_yet_valid', 'nbf is still to come');
  }
  return undefined;
};

/** Judges how long the proof was made for; {@link judgeTimes} found the dates to be dates. */
const judgeLife = (iat: number, exp: unknown): ProofRefusal | undefined =>
  isNumericDate(exp) && exp > iat + longestLife
    ? refuse('lives_too_long', `exp is more than ${longestLife} s after iat`)
    : undefined;

/** The URL as RFC 9449 §4.3 compares it: normalised, without query and fragment. Undefined when it is no such URL. */
const comparableUrl = (text: unknown): string | undefined => {
  // The parser would mend a backslash, a space, a control character.
  if (typeof text !== 'string' || !/^https?:\/\/[!-[\]-~]+$/i.test(text)) return undefined;
  try {
    const url = new URL(text);
    return url.username === '' && url.password === '' ? `${url.origin}${url.pathname}` : undefined;
  } catch {
    return undefined;
  }
};

/** The one string of `aud`, alone or in a list (RFC 7519 §4.1.3). */
const soleAudience = (aud: unknown): unknown =>
  Array.isArray(aud) ? (aud.length === 1 ? (aud as readonly unknown[])[0] : undefined) : aud;

/** Judges whom the proof is for. What is stated must be true, also where nobody asked for it. */
const judgeAudience = (
  { aud, htm, htu }: Members,
  isDpop: boolean,
  { registrationUrls, serviceId }: ProofContext,
): ProofRefusal | undefined => {
  if (isDpop || htm !== undefined) {
    if (htm !== 'POST') return refuse('wrong_method', 'htm is not POST');
  }
  if (isDpop || htu !== undefined) {
    const url = comparableUrl(htu);
    if (url === undefined || !registrationUrls.some((own) => comparableUrl(own) === url)) {
      return refuse('wrong_url', 'htu is not the URL of this endpoint');
    }
  }
  if (!isDpop || aud !== undefined) {
    const one = soleAudience(aud);
    if (typeof one !== 'string' || (one !== serviceId && !registrationUrls.includes(one))) {
      return refuse('wrong_audience', 'aud is not this endpoint or this service, alone');
    }
  }
  return undefined;
};

/** Judges who the proof is of: `iss` and `ath` are true where they are present, and one of them is. */
const judgeBinding = (
  { iss, ath }: Members,
  isDpop: boolean,
  { clientId, accessToken }: ProofContext,
): ProofRefusal | undefined => {
  if (iss !== undefined && iss !== clientId) {
    return refuse('wrong_issuer', 'iss is not the client id of the access token');
  }
  if (ath !== undefined && ath !== createHash('sha256').update(accessToken).digest('base64url')) {
    return refuse('wrong_token', 'ath is not the hash of the access token');
  }
  if (isDpop && ath === undefined) return refuse('wrong_token', 'a dpop+jwt needs ath');
  if (iss === undefined && ath === undefined) {
    return refuse('not_bound', 'neither iss nor ath ties the proof to the client');
  }
  return undefined;
};

const judgeNonce = ({ nonce }: Members, required: boolean): ProofRefusal | { ok: true; nonce?: string } => {
  if (nonce === undefined) {
    return required ? refuse('nonce_missing', 'a nonce is needed; get one first') : { ok: true };
  }
  return isToken(nonce) ? { ok: true, nonce } : refuse('bad_nonce', 'nonce is not one that was issued');
};

/** Judges the claims of a strict proof: fresh, for this service, by this client, with a `jti` that can be used up. */
export const judgeStrictClaims = (claims: Members, isDpop: boolean, context: ProofContext): JudgedClaims => {
  const { iat, exp, jti } = claims;
  if (!isNumericDate(iat)) return refuse('bad_iat', 'iat is missing or not a number of seconds');
  const refusal =
    judgeTimes(claims, context.now) ??
    judgeLife(iat, exp) ??
    judgeAudience(claims, isDpop, context) ??
    judgeBinding(claims, isDpop, context);
  if (refusal !== undefined) return refusal;
  if (!isToken(jti)) return refuse('bad_jti', 'jti is not a string of 1 to 256 printable characters');
  const nonce = judgeNonce(claims, context.nonceRequired);
  if (!nonce.ok) return nonce;
  // The last moment the proof is fresh, and a minute for a replica whose clock is behind.
  const expiresAt = Math.ceil(iat + oldest + ahead) * 1000;
  return { ...nonce, replay: { jti, expiresAt } };
};

/**
 * Judges the claims of a proof in CAS's mode: dates as far as they are stated, and a nonce where one is needed.
 *
 * The same proof may come again, so nothing is used up but that nonce.
 */
export const judgeOptionalClaims = (claims: Members, context: ProofContext): JudgedClaims =>
  judgeTimes(claims, context.now) ?? (context.nonceRequired ? judgeNonce(claims, true) : { ok: true });
