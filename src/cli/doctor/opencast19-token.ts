import { error, inWords, quote, type Note } from './judgement.ts';
import type { TokenRules } from './model.ts';
import { expired } from './token.ts';

/**
 * Opencast 19: modules/security-jwt with nimbus-jose-jwt 10, observed with 10.3 on Java 17 and read in JWKSetProvider
 * and JWTVerifier. The log has no more than these texts: what Nimbus found wrong is in the cause, which is not written.
 */
export const source = 'Opencast 19, nimbus-jose-jwt 10.3';

const refused = (code: string, detail: string, advice: string, text: string): Note =>
  error(code, detail, advice, quote(text, `${source}, level debug`));

const typeOf = (alg: string): string | undefined => {
  if (/^RS(?:256|384|512)$/u.test(alg)) return 'RSA';
  if (/^ES(?:256K?|384|512)$/u.test(alg)) return 'EC';
  return alg === 'EdDSA' || alg === 'Ed25519' ? 'OKP' : undefined;
};

/** How it chooses keys and reads claims. */
export const opencast19Token: TokenRules = {
  refuse: ({ alg }) =>
    typeOf(alg) === undefined
      ? refused(
          'token-alg',
          `the token is signed with ${alg}`,
          'sign with ES256',
          `Unsupported algorithm '${alg}'`,
        )
      : undefined,
  choose: ({ alg }, keys) => {
    const other = keys.find(({ kty }) => kty !== typeOf(alg));
    if (other === undefined) return keys;
    const says = inWords(
      'a ClassCastException, and HTTP 500; from August 2026 on `JWT could not be verified`',
      'Opencast 19, JWTVerifier',
    );
    return error(
      'token-alg',
      `the keys are not ones for ${alg}`,
      'sign with the algorithm of the keys',
      says,
    );
  },
  badSignature: () =>
    refused(
      'token-signature',
      'no key of the set made the signature',
      'publish the public half of the key that signs',
      'JWT could not be verified',
    ),
  claims: (seen, now) => {
    const late = expired(seen, now);
    return late === undefined
      ? []
      : [refused('token-exp', late, 'compare the clocks, then take a fresh token', 'JWT is expired')];
  },
};
