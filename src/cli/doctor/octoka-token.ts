import { error, quote, warning, type KeyVerdict, type Note } from './judgement.ts';
import type { TokenRules } from './model.ts';
import { secondsOf, type TokenSeen } from './token.ts';

/** `JwtError` and its use in src/auth.rs of Octoka; older releases end the line in ` -> denying access`. */
const rejected = (reason: string): ReturnType<typeof quote> =>
  quote(`rejected JWT (${reason})`, 'Octoka, src/auth.rs, level debug');

/** `allowed_clock_skew` as shipped, in seconds. */
const skew = 3;

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

/** How Octoka chooses keys and reads claims; `algorithms` are those of its version. */
export const octokaToken = (algorithms: ReadonlySet<string>): TokenRules => ({
  refuse: ({ alg }) =>
    algorithms.has(alg)
      ? undefined
      : error('token-alg', `the token is signed with ${alg}`, 'sign with ES256', rejected('UnsupportedAlg')),
  choose: (token, keys) => choose(token, keys),
  badSignature: () =>
    error(
      'token-signature',
      'no key that Octoka tries made the signature',
      'compare the kid of the token with those of the set',
      rejected('InvalidSignature'),
    ),
  claims: (token, now) => claims(token, now),
});

/** `Keys::keys_for`: a `kid` that hits is the only one tried; one that does not leaves the keys without `kid`. */
const choose = ({ kid, alg }: TokenSeen, keys: readonly KeyVerdict[]): readonly KeyVerdict[] | Note => {
  const hit = kid === undefined ? undefined : keys.find((key) => key.kid === kid);
  if (hit !== undefined) {
    if (fits(hit, alg)) return [hit];
    return error(
      'token-alg',
      `the key ${hit.label} is not one for ${alg}`,
      'sign with the algorithm of the key',
      rejected('AlgoMismatch'),
    );
  }
  const rest = keys.filter((key) => (kid === undefined || key.kid === undefined) && fits(key, alg));
  if (rest.length > 0) return rest;
  const detail =
    kid === undefined
      ? `there is no key for ${alg}`
      : `no key has the token's kid, and none for ${alg} is without a kid`;
  return error(
    'token-kid',
    detail,
    'publish the key under the kid of the token, or sign without kid',
    rejected('NoSuitableKey'),
  );
};

const fits = ({ kty, alg: own, key }: KeyVerdict, alg: string): boolean => {
  const algorithms: Readonly<Record<string, string>> = {
    'P-256': 'ES256',
    'P-384': 'ES384',
    'P-521': 'ES512',
    Ed25519: 'EdDSA',
  };
  if (kty === 'RSA') return own === undefined ? /^[RP]S/u.test(alg) : own === alg;
  return algorithms[key?.jwk.crv ?? ''] === alg;
};

const bad = (code: string, detail: string, next: string, reason: string): readonly Note[] => [
  error(code, detail, next, rejected(reason)),
];

const claims = (token: TokenSeen, now: number): readonly Note[] => {
  const { claims: members } = token;
  if (members === undefined)
    return bad('token-json', 'the payload is not a JSON object', 'make the token again', 'InvalidJson');
  for (const name of ['exp', 'nbf']) {
    const value = members[name] ?? undefined;
    if (value !== undefined && !(Number.isInteger(value) && Number(value) >= 0))
      return bad(
        'token-json',
        `${name} is not a whole number of seconds`,
        'write dates as integers',
        'InvalidJson',
      );
  }
  const { roles, oc } = members;
  if ((roles ?? undefined) !== undefined && !isTexts(roles))
    return bad('token-json', 'roles is not a list of strings', 'write roles as a list', 'InvalidJson');
  const grants = oc ?? {};
  if (typeof grants !== 'object' || Array.isArray(grants) || !Object.values(grants).every(isTexts))
    return bad(
      'token-json',
      'oc is not of the form {"e:<event id>": ["read"]}',
      'write oc as an object of lists',
      'InvalidJson',
    );
  const exp = secondsOf(token, 'exp');
  if (exp === undefined) return bad('token-exp', 'the token has no exp', 'give it one', 'ExpMissing');
  if (exp + skew < now)
    return bad(
      'token-exp',
      `it expired ${Math.floor(now - exp)} s ago`,
      'compare the clocks, then take a fresh token',
      'Expired',
    );
  const nbf = secondsOf(token, 'nbf');
  if (nbf !== undefined && nbf > now + skew)
    return bad('token-nbf', 'it is not valid yet', 'compare the clocks', 'NotValidYet');
  const admin = Array.isArray(roles) && roles.includes('ROLE_ADMIN');
  const reads = Object.entries(grants).some(
    ([item, actions]) => item.startsWith('e:') && (actions as string[]).includes('read'),
  );
  if (admin || reads) return [];
  const says = quote('JWT valid but does not grant access to event', 'Octoka, src/auth.rs, level debug');
  return [
    warning('token-grants', 'it gives read access to no event', 'add oc {"e:<event id>": ["read"]}', says),
  ];
};
