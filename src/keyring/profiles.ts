import type { Key } from '../jwk/key.ts';
import { opencastLimit } from '../jwk/opencast-limit.ts';
import { isSignatureKey } from '../jwk/signature-key.ts';
import type { WithheldReason } from './snapshot.ts';

/** The constraints of the clients of a set. */
export const profiles = ['generic', 'jitsi', 'opencast', 'full'] as const;

/** One of {@link profiles}. */
export type Profile = (typeof profiles)[number];

/** What a profile makes of one key: the JSON to publish, or why it is withheld. */
export type Selection = { readonly json: string } | { readonly withheld: WithheldReason };

const generic = (key: Key): Selection => {
  if (key.fullOnly !== undefined) return { withheld: key.fullOnly };
  return isSignatureKey(key) ? { json: key.json } : { withheld: 'not_signature' };
};

const jitsi = (key: Key): Selection => {
  if (key.jwk.kty !== 'RSA') return { withheld: 'not_rsa' };
  if (!isSignatureKey(key)) return { withheld: 'not_signature' };
  return key.jwk.kid === undefined ? { withheld: 'no_kid' } : { json: key.json };
};

const opencast = (key: Key): Selection => {
  const selected = generic(key);
  if ('withheld' in selected) return selected;
  const { kid, alg, use } = key.jwk;
  if (kid === undefined) return { withheld: 'no_kid' };
  if (alg === undefined) return { withheld: 'no_alg' };
  if (use === undefined) return { withheld: 'no_use' };
  // Octoka knows Ed25519 signatures by their older name (RFC 8037 §3.1) and drops the whole set over the newer.
  return alg === 'Ed25519' || alg === 'Ed448'
    ? { json: JSON.stringify({ ...key.jwk, alg: 'EdDSA' }) }
    : selected;
};

const selections: Record<Profile, (key: Key) => Selection> = {
  generic,
  jitsi,
  opencast,
  full: (key) => ({ json: key.json }),
};

/** Chooses whether and how `profile` publishes a key. */
export const select = (profile: Profile, key: Key): Selection => selections[profile](key);

/** Why the chosen keys together cannot be published for the profile's clients; undefined when they can. */
export const refusalOf = (profile: Profile, keys: readonly Key[], bytes: number): string | undefined => {
  if (profile !== 'opencast') return undefined;
  const types = [...new Set(keys.map((key) => key.jwk.kty))];
  if (types.length > 1)
    return `the keys are of several types (${types.join(', ')}), which Opencast 19 cannot read`;
  if (bytes >= opencastLimit) return `the set has ${bytes} bytes, Opencast reads fewer than ${opencastLimit}`;
  return undefined;
};
