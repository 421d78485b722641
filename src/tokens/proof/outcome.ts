import type { Key } from '../../jwk/key.ts';

/** Why a proof is refused, by its stable code, with the OAuth-style `error` it is answered with. */
export const proofErrors = {
  proof_missing: 'invalid_request',
  proof_too_large: 'invalid_request',
  not_compact: 'invalid_proof',
  malformed_header: 'invalid_proof',
  unsupported_alg: 'invalid_proof',
  header_not_allowed: 'invalid_proof',
  jwk_missing: 'invalid_proof',
  private_key_material: 'invalid_proof',
  unsupported_kty: 'invalid_proof',
  unsupported_crv: 'invalid_proof',
  weak_key: 'invalid_proof',
  oversize_key: 'invalid_proof',
  malformed_key: 'invalid_proof',
  bad_kid: 'invalid_proof',
  not_canonical: 'invalid_proof',
  not_for_signatures: 'invalid_proof',
  alg_mismatch: 'invalid_proof',
  kid_beside_jwk: 'invalid_proof',
  wrong_typ: 'invalid_proof',
  bad_signature: 'invalid_proof',
  malformed_claims: 'invalid_proof',
  bad_iat: 'invalid_proof',
  bad_exp: 'invalid_proof',
  bad_nbf: 'invalid_proof',
  too_old: 'invalid_proof',
  from_the_future: 'invalid_proof',
  expired: 'invalid_proof',
  lives_too_long: 'invalid_proof',
  not_yet_valid: 'invalid_proof',
  wrong_audience: 'invalid_proof',
  wrong_method: 'invalid_proof',
  wrong_url: 'invalid_proof',
  wrong_issuer: 'invalid_proof',
  wrong_token: 'invalid_proof',
  not_bound: 'invalid_proof',
  bad_jti: 'invalid_proof',
  nonce_missing: 'invalid_nonce',
  bad_nonce: 'invalid_nonce',
} as const satisfies Record<string, 'invalid_request' | 'invalid_proof' | 'invalid_nonce'>;

/** A code of {@link proofErrors}. */
export type ProofCode = keyof typeof proofErrors;

/** A proof that is not accepted. */
export interface ProofRefusal {
  readonly ok: false;
  readonly error: (typeof proofErrors)[ProofCode];
  readonly code: ProofCode;
  /** A sentence for the client's author: nothing of the proof is in it but numbers of bits and bytes. */
  readonly description: string;
}

/** A proof that holds, with what the store must record in the same step as the key. */
export interface Proved {
  readonly ok: true;
  /** Canonical, with `kid` = `jkt`, `use: sig` and the `alg` of the proof; nothing else the client said of it. */
  readonly key: Key;
  /** RFC 7638 thumbprint of `key`. */
  readonly jkt: string;
  /** The proof's `alg`. */
  readonly alg: string;
  /** The client's own name for the key: the `kid` inside its `jwk`. */
  readonly label?: string;
  /** Strict mode: may be used once per client, remembered until `expiresAt` (milliseconds since the epoch). */
  readonly replay?: { readonly jti: string; readonly expiresAt: number };
  /** The nonce the proof states, not checked yet: it must be one that was issued and never used. */
  readonly nonce?: string;
}

/** What a proof is worth. */
export type ProofOutcome = Proved | ProofRefusal;

/** Makes a refusal with the `error` of its code. */
export const refuse = (code: ProofCode, description: string): ProofRefusal => ({
  ok: false,
  error: proofErrors[code],
  code,
  // The characters RFC 6749 §5.2 allows.
  description: description.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '?'),
});
