import { error, inWords, quote, type KeyVerdict, type Note } from './judgement.ts';
import type { TokenRules } from './model.ts';
import { expired, secondsOf } from './token.ts';

/**
 * Opencast up to 18: modules/security-jwt with auth0 jwks-rsa 0.19.0 and java-jwt 3.19, observed on Java 17 and read in
 * GuavaCachedUrlJwkProvider, AlgorithmBuilder and JWTVerifier.
 */
export const source = 'Opencast 18, jwks-rsa 0.19';

/** How Java calls the algorithm. */
export const javaName = (alg: string): string =>
  `SHA${alg.slice(2)}with${alg.startsWith('R') ? 'RSA' : 'ECDSA'}`;

const refused = (code: string, detail: string, advice: string, text: string): Note =>
  error(code, detail, advice, quote(text, `${source}, level debug`));

/** How it chooses keys and reads claims. */
export const opencast18Token: TokenRules = {
  refuse: () => undefined,
  choose: ({ kid, alg }, keys, all) => {
    const isMeant = (key: KeyVerdict): boolean => (kid === undefined ? key.alg === alg : key.kid === kid);
    const found = keys.filter(isMeant);
    if (found.length === 0) {
      // It chooses among all entries; what is wrong with the chosen one shows only when it verifies with it.
      const unusable = all.find(isMeant);
      if (unusable?.why !== undefined) {
        const note = { ...unusable.why, detail: `${unusable.label}: ${unusable.why.detail}` };
        // Its words about such a key are for tokens that look for one by alg.
        return note.code === 'alg-missing'
          ? { ...note, says: inWords('an error, and no login', source) }
          : note;
      }
      const detail = kid === undefined ? `no key has alg ${alg}` : "no key has the token's kid";
      return refused('token-kid', detail, 'publish the key that signs, with its alg', 'No key found');
    }
    if (found.some((key) => key.alg === alg)) return found;
    const text = "The provided Algorithm doesn't match the one defined in the JWT's Header.";
    return refused(
      'token-alg',
      `the key of this kid is for ${found[0]?.alg ?? '?'}`,
      'sign with the algorithm of the key',
      text,
    );
  },
  badSignature: ({ alg }) =>
    refused(
      'token-signature',
      'no key that Opencast tries made the signature',
      'compare the kid of the token with those of the set',
      `The Token's Signature resulted invalid when verified using the Algorithm: ${javaName(alg)}`,
    ),
  claims: (seen, now) => {
    const late = expired(seen, now);
    if (late !== undefined)
      return [
        refused(
          'token-exp',
          late,
          'compare the clocks, then take a fresh token',
          'The Token has expired on ….',
        ),
      ];
    const nbf = secondsOf(seen, 'nbf');
    if (nbf !== undefined && nbf > now)
      return [
        refused(
          'token-nbf',
          'it is not valid yet',
          'compare the clocks',
          "The Token can't be used before ….",
        ),
      ];
    return [];
  },
};
