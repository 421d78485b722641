import { excerpt } from '../jwk/excerpt.ts';
import type { Key } from '../jwk/key.ts';
import { isMembers, readObject, type Members } from './json-object.ts';
import { parseCompactJws } from './jws.ts';
import { signatureAlgorithms } from './signature.ts';
import { judgeTimes } from './times.ts';
import { longestToken } from './verify.ts';

/** What inspection can find in a token, by its stable code. */
export const tokenWarnings = [
  'too-large',
  'alg-none',
  'alg-symmetric',
  'alg-unknown',
  'alg-ed25519',
  'crit',
  'kid-missing',
  'kid-not-in-set',
  'no-exp',
  'bad-date',
  'expired',
  'not-yet-valid',
  'aud-array',
  'groups-not-strings',
  'roles-not-strings',
  'oc-array',
  'oc-roles',
  'oc-actions-object',
] as const;

/** One of {@link tokenWarnings}. */
export type TokenWarningCode = (typeof tokenWarnings)[number];

/** Something a client of such tokens stumbles over. */
export interface TokenWarning {
  readonly code: TokenWarningCode;
  /** A sentence for people that says who stumbles and what to do. */
  readonly detail: string;
}

/** A token that was read and not verified. */
export type Inspection =
  | {
      readonly ok: true;
      readonly header: Members;
      readonly claims: Members;
      readonly warnings: readonly TokenWarning[];
    }
  | { readonly ok: false; readonly detail: string };

/** What a token is held against. */
export interface InspectOptions {
  /** Seconds since the epoch. */
  readonly now: number;
  /** Longest text that is read, in characters. */
  readonly limit: number;
  /** The keys of the set that verifiers use, where they are known. */
  readonly keys?: readonly Key[] | undefined;
}

type Judge = (header: Members, claims: Members, options: InspectOptions) => readonly TokenWarning[];

const payloadProblem = {
  other: 'it is not a JSON object',
  repeated: 'a member of it is repeated',
  deep: 'it nests deeper than 64 levels',
} as const;

/**
 * Reads a token without verifying it and says which of the systems jwksd makes tokens for would stumble over it.
 *
 * Whoever can write text can write a token: nothing of the result is to be believed.
 */
export const inspectToken = (token: string, options: InspectOptions): Inspection => {
  const parsed = parseCompactJws(token, options.limit);
  if (!parsed.ok) return { ok: false, detail: `this is not a signed JWT: ${parsed.detail}` };
  const { header } = parsed.jws;
  const payload = readObject(parsed.jws.payload);
  if (!payload.ok) {
    return {
      ok: false,
      detail: `this is a signed text and not a JWT: look at its payload, ${payloadProblem[payload.reason]}`,
    };
  }
  const claims = payload.members;
  const warnings = judges.flatMap((judge) => judge(header, claims, options));
  if (token.length > longestToken) {
    const detail = `${token.length} bytes; jwksd and many servers look at ${longestToken} at most: put less into it`;
    warnings.unshift({ code: 'too-large', detail });
  }
  return { ok: true, header, claims, warnings };
};

const warn = (code: TokenWarningCode, detail: string): readonly TokenWarning[] => [{ code, detail }];

const judgeAlgorithm: Judge = ({ alg }) => {
  const name = typeof alg === 'string' ? alg : '';
  if (name.toLowerCase() === 'none') return warn('alg-none', 'alg none: nobody signed it; never accept it');
  if (name.startsWith('HS')) {
    const detail = `alg ${excerpt(name) ?? ''} needs a shared secret; no JWK Set verifies it: sign with a private key`;
    return warn('alg-symmetric', detail);
  }
  if (!signatureAlgorithms.includes(name)) {
    return warn('alg-unknown', `alg ${JSON.stringify(excerpt(name) ?? '')} is not one that jwksd knows`);
  }
  if (name === 'Ed25519' || name === 'Ed448') {
    return warn('alg-ed25519', `alg ${name}: Octoka and older libraries know it as EdDSA only (RFC 8037)`);
  }
  return [];
};

const judgeHeader: Judge = (header, _, { keys }) => {
  const found: TokenWarning[] = [];
  if (header['crit'] !== undefined || header['b64'] !== undefined) {
    found.push(...warn('crit', 'the header asks for an extension (crit, b64) that few verifiers have'));
  }
  const { kid } = header;
  if (keys === undefined) return found;
  const kids = keys.map(({ jwk }) => jwk.kid);
  if (kid === undefined) {
    if (keys.length > 1) {
      const detail = `no kid, and ${keys.length} keys in the set: some verifiers then try none or only the first`;
      found.push(...warn('kid-missing', detail));
    }
  } else if (!kids.includes(kid as string)) {
    const detail =
      typeof kid !== 'string'
        ? 'kid is not a string, so it names no key (RFC 7515 §4.1.4): write it as one'
        : `kid ${JSON.stringify(excerpt(kid) ?? '')} is not in the set: publish that key, or sign with one that is`;
    found.push(...warn('kid-not-in-set', detail));
  }
  return found;
};

const dateCodes = {
  bad_claim: 'bad-date',
  no_exp: 'no-exp',
  expired: 'expired',
  not_yet_valid: 'not-yet-valid',
} as const;

const judgeDates: Judge = (_, claims, { now }) => {
  const problem = judgeTimes(claims, { now, clockSkew: 0, allowNoExp: false });
  return problem === undefined ? [] : warn(dateCodes[problem.reason], problem.detail);
};

const judgeLists: Judge = (_, claims) => {
  const found: TokenWarning[] = [];
  if (Array.isArray(claims['aud'])) {
    found.push(...warn('aud-array', 'aud is a list: Prosody (Jitsi) reads a string only'));
  }
  for (const name of ['groups', 'roles'] as const) {
    const list = claims[name];
    const isList = Array.isArray(list) && list.every((each) => typeof each === 'string');
    if (list !== undefined && !isList) {
      found.push(
        ...warn(`${name}-not-strings`, `${name} is not a list of strings: verifiers refuse the token`),
      );
    }
  }
  return found;
};

const judgeOpencast: Judge = (_, claims) => {
  const found: TokenWarning[] = [];
  if (claims['oc-roles'] !== undefined) {
    found.push(...warn('oc-roles', 'oc-roles is not read by Octoka and Opencast: write roles'));
  }
  const { oc } = claims;
  if (Array.isArray(oc)) {
    found.push(...warn('oc-array', 'oc is a list, its old form: write {"e:<event id>": ["read"]}'));
  } else if (isMembers(oc) && Object.values(oc).some(isMembers)) {
    const detail = 'what oc allows is an object: write a list of actions, {"e:<event id>": ["read"]}';
    found.push(...warn('oc-actions-object', detail));
  }
  return found;
};

const judges: readonly Judge[] = [judgeAlgorithm, judgeHeader, judgeDates, judgeLists, judgeOpencast];
