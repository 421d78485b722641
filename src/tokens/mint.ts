import type { KeyObject } from 'node:crypto';
import { signatureAlg } from '../jwk/algorithms.ts';
import type { Key } from '../jwk/key.ts';
import { familyOf } from '../jwk/signature-key.ts';
import type { Minting, TokenProfile, TokenRequest } from './profiles/profile.ts';
import { fits, sameAlgorithm, signatureAlgorithms, signWith } from './signature.ts';

/** A private key with its public half. */
export interface SigningKey {
  readonly key: Key;
  readonly privateKey: KeyObject;
}

/** A token, with what it says. */
export interface Minted {
  readonly ok: true;
  readonly token: string;
  readonly header: Readonly<Record<string, string>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** A sentence for who has made it. */
  readonly advice: string | undefined;
}

/** Why there is no token, in one sentence that says what to change. */
export interface NotMinted {
  readonly ok: false;
  readonly detail: string;
}

/** How a token is signed, where the profile's way is not wanted. */
export interface HeaderRequest {
  readonly alg?: string | undefined;
  readonly kid?: string | undefined;
}

const refuse = (detail: string): NotMinted => ({ ok: false, detail });

/** The end of the year 9999: beyond it no verifier reads an `exp`. */
const latest = 253_402_300_799;

/** Makes a token as `profile` wants it and signs it with `signer`. */
export const mintToken = async (
  profile: TokenProfile,
  request: TokenRequest & HeaderRequest,
  signer: SigningKey,
  minting: Minting,
): Promise<Minted | NotMinted> => {
  const alg = chooseAlgorithm(profile, request.alg, signer.key);
  if (typeof alg !== 'string') return alg;
  if (request.kid !== undefined && profile.never.includes('kid')) return neverHas(profile, 'kid');
  const ttl = request.ttl ?? profile.ttl;
  const exp = minting.now + ttl;
  if (exp > latest) return refuse('exp would be later than the year 9999: give a shorter --ttl');
  const claims = compose(profile, request, exp, minting);
  if ('ok' in claims) return claims;
  const kid = request.kid ?? (profile.kid ? (signer.key.jwk.kid ?? signer.key.thumbprint) : undefined);
  const header = { typ: 'JWT', alg, ...(kid === undefined ? {} : { kid }) };
  const signed = `${encode(header)}.${encode(claims.members)}`;
  const signature = await signWith(signer.privateKey, alg, Buffer.from(signed));
  return {
    ok: true,
    token: `${signed}.${signature.toString('base64url')}`,
    header,
    claims: claims.members,
    advice: profile.advice?.(request, ttl),
  };
};

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const neverHas = (profile: TokenProfile, name: string): NotMinted =>
  refuse(`a token of profile ${profile.name} never has ${name}: leave it out, or use --profile opencast`);

function compose(
  profile: TokenProfile,
  request: TokenRequest,
  exp: number,
  minting: Minting,
): { readonly members: Readonly<Record<string, unknown>> } | NotMinted {
  const asked: Readonly<Record<string, boolean>> = {
    iss: request.issuer !== undefined,
    aud: request.audience.length > 0,
  };
  const unwanted = profile.never.find((name) => asked[name] === true || request.claims.has(name));
  if (unwanted !== undefined) return neverHas(profile, unwanted);
  const given = {
    event: request.events.size > 0,
    course: request.course !== undefined,
    room: request.room !== undefined,
  };
  const unread = (['event', 'course', 'room'] as const).find(
    (name) => given[name] && !profile.reads.includes(name),
  );
  if (unread !== undefined) {
    return refuse(
      `--${unread} means nothing in profile ${profile.name}: leave it out, or choose another --profile`,
    );
  }
  const list = profile.claims(request, exp, minting);
  if (typeof list === 'string') return refuse(list);
  const members = new Map(list.filter(([, value]) => value !== undefined));
  for (const [name, value] of request.claims) {
    if (members.has(name)) return refuse(`--claim ${name}: the token has this claim already`);
    members.set(name, value);
  }
  return { members: Object.fromEntries(members) };
}

/** The algorithms a key can sign with for a profile: the key's own where it names one, else those of its type. */
const usable = (profile: TokenProfile, key: Key): readonly string[] => {
  const { alg } = key.jwk;
  const family = familyOf(key);
  const fitting = signatureAlgorithms.filter(
    (name) => fits(key, name) && (alg === undefined || sameAlgorithm(name, alg, family)),
  );
  return profile.algorithms?.filter((name) => fitting.includes(name)) ?? fitting;
};

function chooseAlgorithm(profile: TokenProfile, asked: string | undefined, key: Key): string | NotMinted {
  const names = usable(profile, key);
  const family = familyOf(key);
  const [first] = names;
  if (first === undefined) {
    const wanted = profile.algorithms?.join(' or ') ?? 'a signature key, such as one of P-256';
    return refuse(
      `profile ${profile.name} cannot use this key (${family}${key.jwk.alg === undefined ? '' : `, alg ${key.jwk.alg}`}): it needs ${wanted}`,
    );
  }
  if (asked !== undefined && !names.includes(asked)) {
    return refuse(
      `--alg ${asked} does not work with this key (${family}) in profile ${profile.name}: use ${names.join(' or ')}`,
    );
  }
  if (asked !== undefined) return asked;
  // Of the two names an Edwards key has, the one it is published with, else the one that clients in use know.
  const preferred = [key.jwk.alg, signatureAlg[family]];
  return preferred.find((name) => name !== undefined && names.includes(name)) ?? first;
}
