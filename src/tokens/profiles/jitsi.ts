import { unlessEmpty, type TokenProfile } from './profile.ts';

/**
 * What Prosody's token plugin takes: RSA, a `kid` to ask for, one `aud` as a string.
 *
 * SUBJECT is the tenant (`sub`), `*` for any; `iss` is the app ID.
 */
export const jitsi: TokenProfile = {
  name: 'jitsi',
  ttl: 3600,
  algorithms: ['RS256', 'RS384', 'RS512'],
  kid: true,
  reads: ['room'],
  never: [],
  claims: ({ subject, groups, issuer, audience, room }, exp, { now }) => {
    if (subject === undefined) return 'SUBJECT is missing: the tenant (the XMPP domain), or "*" for any';
    if (issuer === undefined) return 'a Jitsi token needs --iss: an app ID of JWT_ACCEPTED_ISSUERS';
    const [aud = 'jitsi', ...more] = audience;
    if (more.length > 0) return 'Prosody reads one aud only: give --aud once';
    return [
      ['iss', issuer],
      ['aud', aud],
      ['sub', subject],
      ['room', room ?? '*'],
      ['nbf', now],
      ['exp', exp],
      ['roles', unlessEmpty(groups)],
    ];
  },
};
