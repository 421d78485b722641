import { audienceClaim, unlessEmpty, type TokenProfile } from './profile.ts';

const day = 86_400;

/** What Okera-style services take: a subject with groups, RS512, one hundred days. */
export const okera: TokenProfile = {
  name: 'okera',
  ttl: 100 * day,
  // Preferred where the key is RSA; a key of another type signs with its own algorithm.
  algorithms: ['RS512', 'RS256', 'RS384', 'ES256', 'ES384', 'ES512', 'EdDSA'],
  kid: true,
  reads: [],
  never: [],
  claims: ({ subject, groups, issuer, audience }, exp, { now, id }) => {
    if (subject === undefined) return 'SUBJECT is missing: the user the token is for';
    return [
      ['sub', subject],
      ['iss', issuer ?? 'jwksd'],
      ['aud', audienceClaim(audience)],
      ['groups', unlessEmpty(groups)],
      ['exp', exp],
      ['iat', now],
      ['jti', id],
    ];
  },
  advice: (_, ttl) =>
    ttl > 90 * day
      ? `the token is valid for ${Math.round(ttl / day)} days; whoever finds it can use it so long: consider --ttl 30d`
      : undefined,
};
