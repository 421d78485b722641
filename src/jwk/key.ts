/** Why a key is not admitted; the same codes appear in logs, metrics, `check` and `/status`. */
export const rejectReasons = [
  'private_material',
  'unsupported_kty',
  'unsupported_crv',
  'weak_key',
  'oversize_key',
  'malformed',
  'bad_kid',
  'over_limit',
  'wrong_alg',
] as const;

/** One of {@link rejectReasons}. */
export type RejectReason = (typeof rejectReasons)[number];

/** The key types whose public members jwksd knows (RFC 7518 §6, RFC 8037 §2, RFC 9964). */
export type Kty = 'RSA' | 'EC' | 'OKP' | 'AKP';

/**
 * The members a published key can have, in the order they are written.
 *
 * Nothing else ever leaves jwksd: a key is copied member by member from this list (RFC 7517 §4, RFC 7518 §6).
 */
export interface PublicJwk {
  kty: Kty;
  kid?: string;
  use?: string;
  alg?: string;
  key_ops?: readonly string[];
  n?: string;
  e?: string;
  crv?: string;
  x?: string;
  y?: string;
  pub?: string;
  x5c?: readonly string[];
  x5t?: string;
  'x5t#S256'?: string;
}

declare const admitted: unique symbol;

/**
 * A public key that passed admission: canonical, complete, and without a single private member.
 *
 * Only `admitJwk` makes one, so a half-valid key cannot exist. Immutable; shared between sources, sets and snapshots.
 */
export interface Key {
  readonly [admitted]: true;
  /** The canonical JWK, frozen. */
  readonly jwk: Readonly<PublicJwk>;
  /** `jwk` as it is published, one JSON object without white space. */
  readonly json: string;
  /** RFC 7638 thumbprint of the canonical form, base64url. */
  readonly thumbprint: string;
  /** Thumbprint and `kid`: equal for two entries that publish one key under one name. */
  readonly name: string;
  /**
   * The public key PEM (RFC 7468 §13), LF line ends, written anew each time it is read: of most keys of a large set it
   * never is. Absent when this runtime cannot represent the key.
   */
  readonly pem: string | undefined;
  /** Set when the key is known but few clients survive it: only profile `full` publishes it. */
  readonly fullOnly: 'unsupported_kty' | 'unsupported_crv' | undefined;
}

/** Something odd about a key that was admitted all the same. */
export interface KeyWarning {
  readonly code: 'private_material' | 'bad_kid' | 'certificate_mismatch';
  /** A sentence for people; holds no key material. */
  readonly detail: string;
  /** Names the key where it can be named: its `kid`, cut to 64 characters. */
  readonly kid?: string;
}

/** A key that was not admitted, with what is known of it. */
export interface Rejection {
  readonly reason: RejectReason;
  /** A sentence for people; holds no key material. */
  readonly detail: string;
  /** Position in the set, from 0; absent for a key that stood alone. */
  readonly index?: number;
  /** Cut to 64 characters, control characters replaced. */
  readonly kid?: string;
  readonly kty?: string;
}

/** What admission makes of one entry. */
export type Admission =
  | { readonly ok: true; readonly key: Key; readonly warnings: readonly KeyWarning[] }
  | { readonly ok: false; readonly rejection: Rejection };

/** What admission makes of a whole set: one bad key never costs the others. */
export interface ParsedSet {
  /** In the order of the set; a key that is listed again under the same `kid` is there once. */
  readonly keys: readonly Key[];
  /** The first 100; `rejectedCounts` has them all. */
  readonly rejected: readonly Rejection[];
  /** How many entries were rejected, by reason; a reason that did not occur is absent. */
  readonly rejectedCounts: Readonly<Partial<Record<RejectReason, number>>>;
  /** The first 100. */
  readonly warnings: readonly KeyWarning[];
}

/** Where a key came from, which decides how private members and missing metadata are treated. */
export interface AdmitOptions {
  /**
   * `file`: private members are cut off with a warning, and `use`, `alg`, `kid` are filled in. `upstream`: private
   * members reject the key and nothing is invented. `proof`: private members reject the key.
   */
  readonly origin: 'file' | 'upstream' | 'proof';
  /** `alg` for RSA keys of a file that name none (RFC 7518 §3.1), e.g. `RS256`. */
  readonly rsaAlg?: string | undefined;
  /** The one `alg` a key of a file may have; a key that is for another is rejected. */
  readonly onlyAlg?: string | undefined;
  /**
   * The `alg` a key of a proof was just used with. The key keeps nothing of what its client said about it: `kid` is the
   * thumbprint, `use` is `sig`, `alg` is this one, and there are no certificates.
   */
  readonly provedAlg?: string | undefined;
}
