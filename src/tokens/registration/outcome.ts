import type { RegisteredKey } from '../../stores/store.ts';
import type { ProofCode } from '../proof/outcome.ts';

/** Every OAuth-style `error` of the registration endpoints, with the HTTP status it goes with. */
export const registrationErrors = {
  invalid_request: 400,
  invalid_proof: 400,
  invalid_nonce: 400,
  invalid_token: 401,
  insufficient_scope: 403,
  client_disabled: 403,
  not_found: 404,
  method_not_allowed: 405,
  too_many_keys: 409,
  key_revoked: 409,
  key_in_use: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  temporarily_unavailable: 503,
} as const satisfies Record<string, number>;

/** An `error` of {@link registrationErrors}. */
export type RegistrationError = keyof typeof registrationErrors;

/** A request that is not granted. */
export interface RegistrationRefusal {
  readonly ok: false;
  readonly error: RegistrationError;
  /** Stable, finer than `error`. */
  readonly code: ProofCode | RegistrationError | 'replayed' | 'nonce_unknown' | 'no_token';
  /** A sentence for the client's author; repeats nothing of what it sent. */
  readonly description: string;
  /** The key it is about, where a proof of it was good. For the log: its client is not told. */
  readonly jkt?: string;
}

/** A refusal whose code is its `error`. */
export const refusal = (
  error: RegistrationError,
  description: string,
  code: RegistrationRefusal['code'] = error,
): RegistrationRefusal => ({ ok: false, error, code, description });

/** What became of a key that a client wants registered, or (`done`) taken back. */
export type RegistrationOutcome =
  | { readonly ok: true; readonly status: 'created' | 'exists' | 'done'; readonly record: RegisteredKey }
  | RegistrationRefusal;
