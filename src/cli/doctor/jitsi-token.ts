import { error, quote, warning, type Note } from './judgement.ts';
import type { TokenRules } from './model.ts';
import { expired, secondsOf, type TokenSeen } from './token.ts';

/** `signature_algorithm` as shipped; one other of the RS family can be configured. */
const usual = 'RS256';

const reason = (text: string): ReturnType<typeof quote> =>
  quote(`Error verifying token err:not-allowed, reason:${text}`, 'jitsi-meet, prosody-plugins');

const refused = (code: string, detail: string, next: string, text: string): Note =>
  error(code, detail, next, reason(text));

/** How Prosody's token plugin chooses its key and reads claims; what only its configuration knows is left open. */
export const jitsiToken: TokenRules = {
  refuse: ({ alg, kid, typ }) => {
    if (kid === undefined)
      return refused(
        'token-kid',
        "the token's header has no kid",
        'sign with a key that has one',
        "'kid' claim is missing",
      );
    if (!alg.startsWith('RS'))
      return refused(
        'token-alg',
        `the token is signed with ${alg}`,
        'sign with RS256',
        "'kid' claim only support with RS family",
      );
    if (typ !== 'JWT')
      return refused('token-typ', 'the typ of the header is not JWT', 'set typ to JWT', 'Invalid typ');
    return undefined;
  },
  choose: ({ kid }, keys) => {
    const found = keys.filter((key) => key.kid === kid);
    if (found.length > 0) return found;
    return refused(
      'token-kid',
      "no key has the token's kid",
      'publish the key that signs',
      'could not obtain public key',
    );
  },
  badSignature: () =>
    refused(
      'token-signature',
      'the key of this kid did not make the signature',
      'restart Prosody if the key was replaced under its kid: it keeps the old one',
      'Invalid signature',
    ),
  claims: (token, now) => [...problems(token, now)],
};

function* problems(token: TokenSeen, now: number): Generator<Note> {
  const { claims, alg } = token;
  const late = expired(token, now);
  if (late !== undefined)
    yield refused(
      'token-exp',
      late,
      'compare the clocks, then take a fresh token',
      'Not acceptable by exp (…)',
    );
  const nbf = secondsOf(token, 'nbf');
  if (nbf !== undefined && nbf > now)
    yield refused('token-nbf', 'it is not valid yet', 'compare the clocks', 'Not acceptable by nbf');
  for (const name of ['iss', 'aud'] as const) {
    if ((claims?.[name] ?? undefined) === undefined)
      yield refused(`token-${name}`, `the token has no ${name}`, `add ${name}`, `'${name}' claim is missing`);
  }
  if (Array.isArray(claims?.['aud']))
    yield warning(
      'token-aud',
      'aud is a list: unless every audience is accepted, Prosody refuses it',
      'write aud as one string',
      reason("Invalid audience ('aud' claim)"),
    );
  if ((claims?.['room'] ?? undefined) === undefined)
    yield warning(
      'token-room',
      'the token has no room',
      'add room, or set asap_require_room_claim = false',
      reason("'room' claim is missing"),
    );
  if (alg !== usual)
    yield warning(
      'token-alg',
      `${alg} must be the signature_algorithm of Prosody`,
      'sign with RS256',
      reason('Invalid or incorrect alg'),
    );
}
