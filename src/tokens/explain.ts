import { excerpt } from '../jwk/excerpt.ts';
import type { Key, ParsedSet } from '../jwk/key.ts';
import { familyOf, isSignatureKey } from '../jwk/signature-key.ts';
import { parseCompactJws, type CompactJws } from './jws.ts';
import { sameAlgorithm, verifySignature } from './signature.ts';
import {
  longestToken,
  verifyToken,
  type InvalidReason,
  type Refuted,
  type Verification,
  type VerifyOptions,
} from './verify.ts';

/** What is known of a set beside its keys. */
export interface ExplainOptions extends VerifyOptions {
  /** Entries of the set that are no usable keys. */
  readonly rejected?: ParsedSet['rejected'] | undefined;
}

/**
 * Verifies a token and, where no key verifies it, finds out what would have to change.
 *
 * The verdict and the reason are those of `verifyToken`; only the sentence says more. It costs one verification per key,
 * so it is for people who wait for it and not for the path of a request.
 */
export const explainToken = async (
  token: string,
  keys: readonly Key[],
  options: ExplainOptions,
): Promise<Verification> => {
  const verdict = await verifyToken(token, keys, options);
  if (verdict.valid) return verdict;
  const parsed = parseCompactJws(token, options.maxBytes ?? longestToken);
  if (!parsed.ok) return verdict;
  return keyProblems.has(verdict.reason)
    ? { ...verdict, ...(await explain(parsed.jws, verdict, keys, options)) }
    : verdict;
};

/** The reasons that another set of keys would change. */
const keyProblems: ReadonlySet<InvalidReason> = new Set([
  'no_keys',
  'unknown_kid',
  'alg_mismatch',
  'bad_signature',
]);

const name = (kid: unknown): string =>
  kid === undefined ? 'a key without kid' : `kid ${JSON.stringify(excerpt(kid) ?? '')}`;

const explain = async (
  jws: CompactJws,
  verdict: Refuted,
  keys: readonly Key[],
  { rejected = [] }: ExplainOptions,
): Promise<{ readonly detail: string; readonly key?: Key } | undefined> => {
  const { kid } = jws.header;
  const key = await signerAmong(jws, keys);
  if (key !== undefined) return { detail: whyNot(jws, key, verdict), key };
  // Admission cuts a kid as `excerpt` does.
  const shown = excerpt(kid);
  const refused =
    rejected.find((entry) => entry.kid !== undefined && entry.kid === shown) ??
    (verdict.reason === 'no_keys' ? rejected[0] : undefined);
  if (refused !== undefined) {
    const which = refused.kid === undefined ? 'the key' : `the key of ${name(refused.kid)}`;
    return {
      detail: `${which} is in the set and cannot be used (${refused.reason}: ${refused.detail}); replace it with one that can`,
    };
  }
  return undefined;
};

/** The key that made the signature, whatever its name, use and `alg` say. */
const signerAmong = async (jws: CompactJws, keys: readonly Key[]): Promise<Key | undefined> => {
  for (const key of keys) {
    if (await verifySignature(key, jws.alg, jws)) return key;
  }
  return undefined;
};

const whyNot = (jws: CompactJws, key: Key, { reason, detail }: Refuted): string => {
  const { alg, kid, use } = key.jwk;
  if (!isSignatureKey(key)) {
    return `the key of ${name(kid)} verifies the signature, but is not published for that (use ${use ?? 'not sig'}); publish it with "use": "sig"`;
  }
  const isNamed = jws.header['kid'] === undefined || jws.header['kid'] === kid;
  const isOfOther = alg !== undefined && !sameAlgorithm(jws.alg, alg, familyOf(key));
  if (reason === 'alg_mismatch' || (isNamed && isOfOther)) {
    return `the key of ${name(kid)} made the signature, but it is published for ${alg ?? 'another alg'} and the token says ${jws.alg}; sign with ${alg ?? 'that'}, or publish it with alg ${jws.alg}`;
  }
  if (reason === 'unknown_kid' || reason === 'bad_signature') {
    return `the signature is good, but by the key of ${name(kid)}, and the token names ${name(jws.header['kid'])}; sign with that kid, or publish the key under the name the token has`;
  }
  return detail;
};
