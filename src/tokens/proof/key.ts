import { admitJwk, privateMembers } from '../../jwk/admit.ts';
import type { Key, Rejection } from '../../jwk/key.ts';
import type { CompactJws } from '../jws.ts';
import { fits, sameAlgorithm } from '../signature.ts';
import { refuse, type ProofCode, type ProofRefusal } from './outcome.ts';

/** The key a proof brings along. */
export interface ProofKey {
  readonly ok: true;
  readonly key: Key;
  readonly label: string | undefined;
  /** Whether every number is spelled as jwksd would spell it. */
  readonly canonical: boolean;
}

/** What a proof may be signed with, whatever else jwksd can verify. */
const algorithms = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');

/** The members that make the key, whose spelling counts. */
const numbers = ['n', 'e', 'crv', 'x', 'y'] as const;

const codes: Readonly<Record<Rejection['reason'], ProofCode>> = {
  private_material: 'private_key_material',
  unsupported_kty: 'unsupported_kty',
  unsupported_crv: 'unsupported_crv',
  weak_key: 'weak_key',
  oversize_key: 'oversize_key',
  malformed: 'malformed_key',
  bad_kid: 'bad_kid',
  over_limit: 'malformed_key',
  wrong_alg: 'malformed_key',
};

/** Absent, or what admission counts as absent. */
const isAbsent = (value: unknown): boolean => value === undefined || value === null || value === '';

/**
 * Reads the `jwk` of a proof's header: one public signature key that goes with the proof's `alg` (RFC 7515 §4.1.3).
 *
 * Private members are looked for before anything else, because a client that sends them must learn that its key is lost.
 */
export const readProofKey = ({ header, alg }: CompactJws): ProofKey | ProofRefusal => {
  const { jwk } = header;
  const isObject = typeof jwk === 'object' && jwk !== null && !Array.isArray(jwk);
  const members = isObject ? (jwk as Readonly<Record<string, unknown>>) : {};
  const own = (name: string): unknown => (Object.hasOwn(members, name) ? members[name] : undefined);
  if (privateMembers.some((name) => Object.hasOwn(members, name))) {
    return refuse(
      'private_key_material',
      'the jwk holds private or symmetric members: that key is no secret any more',
    );
  }
  if (!algorithms.includes(alg)) {
    return refuse('unsupported_alg', `alg is none of ${algorithms.join(' ')}`);
  }
  if (jwk === undefined) return refuse('jwk_missing', 'the header has no jwk');
  const named = own('alg');
  if (!isAbsent(named) && !(typeof named === 'string' && sameAlgorithm(alg, named, 'Ed25519'))) {
    return refuse('alg_mismatch', 'the jwk names another alg than the header');
  }
  // What its alg is worth is known by now; a wrong curve is to be called that.
  const admission = admitJwk(isObject ? { ...members, alg: undefined } : jwk, {
    origin: 'proof',
    provedAlg: alg,
  });
  if (!admission.ok) {
    const { reason, detail } = admission.rejection;
    return refuse(codes[reason], `the jwk is not accepted: ${detail}`);
  }
  const { key } = admission;
  if (key.fullOnly !== undefined)
    return refuse(key.fullOnly, 'the jwk is of a kind that cannot be registered');
  // EdDSA is Ed25519 here, its newer name: hardly any verifier takes Ed448.
  if (key.jwk.crv === 'Ed448') return refuse('unsupported_crv', 'Ed448 keys cannot be registered');
  const keyOps = own('key_ops');
  if (
    (!isAbsent(own('use')) && own('use') !== 'sig') ||
    (!isAbsent(keyOps) && !(keyOps as readonly unknown[]).includes('verify'))
  ) {
    return refuse('not_for_signatures', 'use or key_ops of the jwk rule out verification');
  }
  if (!fits(key, alg)) return refuse('alg_mismatch', `alg ${alg} does not work with the jwk`);
  const label = own('kid');
  return {
    ok: true,
    key,
    label: typeof label === 'string' && label !== '' ? label : undefined,
    canonical: numbers.every((name) => key.jwk[name] === undefined || own(name) === key.jwk[name]),
  };
};
