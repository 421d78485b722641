/** What a proof is held against. */
export interface ProofContext {
  /** `strict`: fresh, for this service, by this client, once. `cas`: what Apereo CAS asks for, which is the signature. */
  readonly mode: 'strict' | 'cas';
  /** The client of the access token. */
  readonly clientId: string;
  /** The access token as it was presented, for `ath` (RFC 9449 §4.2). */
  readonly accessToken: string;
  /** The URLs at which this very endpoint is reached; `aud` and `htu` name one of them. */
  readonly registrationUrls: readonly string[];
  /** The other thing `aud` may name. */
  readonly serviceId: string;
  /** Milliseconds since the epoch, on the wall clock. */
  readonly now: number;
  /** A proof without a `nonce` is refused. */
  readonly nonceRequired: boolean;
}
