import type { Clock } from '../clock.ts';
import type { Key } from '../jwk/key.ts';
import type { Members } from './json-object.ts';
import { audienceOf } from './validation/issuers.ts';
import { scopesOf } from './validation/policy.ts';
import { verifyToken } from './verify.ts';

/** A client that may register keys. */
export interface AccessGrant {
  readonly ok: true;
  /** `client_id` of the access token, else its `azp`; never empty, any characters, but no half of a surrogate pair. */
  readonly clientId: string;
  readonly scopes: readonly string[];
}

/** An access token that opens nothing. */
export interface AccessRefusal {
  readonly ok: false;
  /** 401, 403, and 503: whether the token is good could not be found out. */
  readonly error: 'invalid_token' | 'insufficient_scope' | 'unavailable';
  /** Stable, more exact than `error`. */
  readonly code: string;
  /** A sentence for the caller. */
  readonly description: string;
  /** A sentence for the log that names the next step; holds no token and no secret. */
  readonly detail: string;
}

/** What an access token is worth. */
export type AccessOutcome = AccessGrant | AccessRefusal;

/** Says who presents an access token. Never rejects, whatever the token is. */
export interface AccessTokenJudge {
  judge(token: string): Promise<AccessOutcome>;
}

/** Longest access token that is looked at, in bytes. */
export const longestAccessToken = 16 * 1024;

const descriptions = {
  invalid_token: 'the access token is not valid here',
  insufficient_scope: 'the access token lacks the scope for registering keys',
  unavailable: 'access tokens cannot be checked at the moment',
} as const satisfies Record<AccessRefusal['error'], string>;

/** Makes a refusal; the caller is told no more than its kind. */
export const refuseAccess = (error: AccessRefusal['error'], code: string, detail: string): AccessRefusal => ({
  ok: false,
  error,
  code,
  description: descriptions[error],
  detail,
});

/** Reads client and scopes of a token that is valid, and asks for the one scope. Words are compared whole. */
export const grantOf = (claims: Members, scope: string): AccessOutcome => {
  const clientId = claims['client_id'] ?? claims['azp'];
  if (typeof clientId !== 'string' || clientId === '') {
    const detail = 'the access token has neither client_id nor azp; have its issuer name the client';
    return refuseAccess('invalid_token', 'no_client_id', detail);
  }
  if (/\p{Cs}/u.test(clientId)) {
    // No URL could name it, so nobody could fetch its keys.
    const detail = 'the client id of the access token has half of a surrogate pair; have its issuer mend it';
    return refuseAccess('invalid_token', 'bad_client_id', detail);
  }
  const scopes = scopesOf(claims);
  return scopes.includes(scope)
    ? { ok: true, clientId, scopes }
    : refuseAccess('insufficient_scope', 'insufficient_scope', `the access token lacks the scope ${scope}`);
};

/** What access tokens that are JWTs are held against. */
export interface JwtAccessOptions {
  readonly clock: Pick<Clock, 'wall'>;
  /** `iss`, exactly. */
  readonly issuer: string;
  /** Must be in `aud`. */
  readonly audience: string;
  /** The word of `scope` a client needs. */
  readonly scope: string;
  /** The keys of the issuer's source at this moment; empty when it has none it would publish. */
  readonly keys: () => readonly Key[];
  /** One bounded refresh for a `kid` that is not among them; resolves when it is over, whatever came of it. */
  readonly demand: (kid: string) => Promise<unknown>;
}

/** Seconds the issuer's clock may be apart. */
const clockSkew = 5;

/** Judges access tokens that are JWTs (RFC 9068) with the keys of one source. A `sub` is not asked for: clients have none. */
export class JwtAccess implements AccessTokenJudge {
  readonly #options: JwtAccessOptions;

  constructor(options: JwtAccessOptions) {
    this.#options = options;
  }

  async judge(token: string): Promise<AccessOutcome> {
    const { issuer, audience, scope, demand } = this.#options;
    let outcome = await this.#verify(token);
    const kid = outcome.valid ? undefined : outcome.header?.['kid'];
    if (!outcome.valid && outcome.reason === 'unknown_kid' && typeof kid === 'string') {
      await demand(kid);
      outcome = await this.#verify(token);
    }
    if (!outcome.valid) {
      const { reason, detail } = outcome;
      // Without keys nothing is known of the token, good or bad.
      return refuseAccess(reason === 'no_keys' ? 'unavailable' : 'invalid_token', reason, detail);
    }
    const { claims } = outcome;
    if (claims['iss'] !== issuer) {
      return refuseAccess(
        'invalid_token',
        'wrong_issuer',
        'iss of the access token is not the configured issuer',
      );
    }
    if (audienceOf(claims)?.includes(audience) !== true) {
      return refuseAccess(
        'invalid_token',
        'wrong_audience',
        'aud of the access token lacks the configured audience',
      );
    }
    return grantOf(claims, scope);
  }

  async #verify(token: string): ReturnType<typeof verifyToken> {
    const { keys, clock } = this.#options;
    return await verifyToken(token, keys(), { clock, clockSkew, maxBytes: longestAccessToken });
  }
}
