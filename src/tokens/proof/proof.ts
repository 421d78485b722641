import { readObject } from '../json-object.ts';
import { parseCompactJws } from '../jws.ts';
import { verifySignature } from '../signature.ts';
import { judgeOptionalClaims, judgeStrictClaims } from './claims.ts';
import type { ProofContext } from './context.ts';
import { readProofKey } from './key.ts';
import { refuse, type ProofCode, type ProofOutcome, type ProofRefusal } from './outcome.ts';

/** The longest proof, in characters, which are bytes. */
export const longestProof = 8192;

/** Header parameters that name a second key, or change what is signed (RFC 7515 §4.1, RFC 7797 §3). */
const neverAllowed = ['x5c', 'x5u', 'jku', 'crit', 'b64'] as const;

/** Names of a key beside the key itself: refused in strict mode, ignored in CAS's. */
const otherNames = ['x5t', 'x5t#S256'] as const;

const types: ReadonlySet<unknown> = new Set(['register-key+jwt', 'register-key+jws', 'dpop+jwt']);

const problems = {
  too_large: 'proof_too_large',
  not_compact: 'not_compact',
  malformed_header: 'malformed_header',
} as const satisfies Record<string, ProofCode>;

/**
 * Says whether a compact JWS proves that its sender holds the private half of the key in its header.
 *
 * Whatever comes in, the outcome is a value. Nothing is remembered here: that a `jti` is used once per client and a
 * nonce once at all is for the store, in the step that stores the key; the outcome carries both.
 */
export const verifyProof = async (proof: unknown, context: ProofContext): Promise<ProofOutcome> => {
  if (typeof proof !== 'string' || proof === '')
    return refuse('proof_missing', 'proof is not a string with content');
  const parsed = parseCompactJws(proof, longestProof);
  if (!parsed.ok) return refuse(problems[parsed.problem], `the proof is not accepted: ${parsed.detail}`);
  const { jws } = parsed;
  const strict = context.mode === 'strict';
  const read = readProofKey(jws);
  if (!read.ok) return read;
  const unwanted = unwantedHeader(jws.header, strict);
  if (unwanted !== undefined) return unwanted;
  const { key, label } = read;
  if (strict && !read.canonical) {
    return refuse('not_canonical', 'the jwk spells a number in another way than RFC 7518 section 6 does');
  }
  if (!(await verifySignature(key, jws.alg, jws))) {
    return refuse('bad_signature', 'the signature was not made with the private half of the jwk');
  }
  const claims = readObject(jws.payload);
  if (!claims.ok && (strict || claims.reason === 'repeated')) {
    return refuse('malformed_claims', 'the payload is not one JSON object that names every member once');
  }
  const members = claims.ok ? claims.members : {};
  const judged = strict
    ? judgeStrictClaims(members, jws.header['typ'] === 'dpop+jwt', context)
    : judgeOptionalClaims(members, context);
  if (!judged.ok) return judged;
  const { replay, nonce } = judged;
  return {
    ok: true,
    key,
    jkt: key.thumbprint,
    alg: jws.alg,
    ...(label === undefined ? {} : { label }),
    ...(replay === undefined ? {} : { replay }),
    ...(nonce === undefined ? {} : { nonce }),
  };
};

function unwantedHeader(
  header: Readonly<Record<string, unknown>>,
  strict: boolean,
): ProofRefusal | undefined {
  const forbidden = strict ? [...neverAllowed, ...otherNames] : neverAllowed;
  const found = forbidden.find((name) => Object.hasOwn(header, name));
  if (found !== undefined) return refuse('header_not_allowed', `the header may not have ${found}`);
  if (!strict) return undefined;
  if (Object.hasOwn(header, 'kid')) return refuse('kid_beside_jwk', 'the header has a kid beside its jwk');
  if (!types.has(header['typ'])) {
    return refuse('wrong_typ', 'typ is none of register-key+jwt register-key+jws dpop+jwt');
  }
  return undefined;
}
