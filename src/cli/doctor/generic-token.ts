import { error, quote, warning } from './judgement.ts';
import type { TokenRules } from './model.ts';
import { expired, secondsOf } from './token.ts';

/** The texts of `createRemoteJWKSet`, `createLocalJWKSet` and `jwtVerify`, which most of the others resemble. */
export const joseSource = 'jose 6.2';

/** What jose says when no key fits. */
export const noMatch = quote('no applicable key found in the JSON Web Key Set', joseSource);

const families: readonly (readonly [RegExp, string])[] = [
  [/^[RP]S(?:256|384|512)$/u, 'RSA'],
  [/^ES256$/u, 'P-256'],
  [/^ES384$/u, 'P-384'],
  [/^ES512$/u, 'P-521'],
  [/^(?:EdDSA|Ed25519)$/u, 'Ed25519'],
];
const familyFor = (alg: string): string | undefined => families.find(([pattern]) => pattern.test(alg))?.[1];

/** How jose chooses a key, and what it checks without being asked. */
export const genericToken: TokenRules = {
  refuse: ({ alg }) =>
    familyFor(alg) === undefined
      ? error(
          'token-alg',
          `the token is signed with ${alg}`,
          'sign with ES256 or RS256',
          quote('Unsupported "alg" value for a JSON Web Key Set', joseSource),
        )
      : undefined,
  choose: ({ kid, alg }, keys) => {
    const found = keys.filter(
      (key) =>
        (kid === undefined || key.kid === kid) &&
        (key.alg === undefined || key.alg === alg) &&
        familyFor(alg) === (key.key?.jwk.crv ?? key.kty),
    );
    if (found.length === 1) return found;
    if (found.length === 0)
      return error(
        'token-kid',
        `no key for ${alg}${kid === undefined ? '' : " has the token's kid"}`,
        'publish the key that signs, under that kid',
        noMatch,
      );
    return error(
      'token-kid',
      'several keys fit, because the token has no kid',
      'sign with kid',
      quote('multiple matching keys found in the JSON Web Key Set', joseSource),
    );
  },
  badSignature: () =>
    error(
      'token-signature',
      'the key it fits did not make the signature',
      'compare the kid of the token with those of the set',
      quote('signature verification failed', joseSource),
    ),
  claims: (seen, now) => {
    const late = expired(seen, now);
    if (late !== undefined)
      return [
        error(
          'token-exp',
          late,
          'compare the clocks, then take a fresh token',
          quote('"exp" claim timestamp check failed', joseSource),
        ),
      ];
    const nbf = secondsOf(seen, 'nbf');
    if (nbf !== undefined && nbf > now)
      return [
        error(
          'token-nbf',
          'it is not valid yet',
          'compare the clocks',
          quote('"nbf" claim timestamp check failed', joseSource),
        ),
      ];
    return secondsOf(seen, 'exp') === undefined
      ? [warning('token-exp', 'the token never expires', 'give it an exp')]
      : [];
  },
};
