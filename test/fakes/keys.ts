import { createHash, generateKeyPairSync } from 'node:crypto';
import { admitJwk } from '../../src/jwk/admit.ts';
import type { Key } from '../../src/jwk/key.ts';

/** A JWK as an upstream sends it. */
export type Jwk = Record<string, unknown>;

const made = new Map<string, Jwk>();

/** A P-256 signature key of this `kid`. The same name gives the same key all through a test file; `material` another. */
export const ecJwk = (kid: string, material = kid): Jwk => {
  let jwk = made.get(material);
  if (jwk === undefined) {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    jwk = publicKey.export({ format: 'jwk' });
    made.set(material, jwk);
  }
  return { ...jwk, kid, use: 'sig', alg: 'ES256' };
};

/** A made-up RSA signature key: admitted, but nobody has its private half. Cheap enough for thousands. */
export const rsaJwk = (kid: string): Jwk => {
  const n = Buffer.concat(
    [0, 1, 2, 3, 4, 5, 6, 7].map((part) => createHash('sha256').update(`${part} ${kid}`).digest()),
  );
  n[0] = (n[0] ?? 0) | 0x80;
  n[255] = (n[255] ?? 0) | 1;
  return { kty: 'RSA', n: n.toString('base64url'), e: 'AQAB', kid, use: 'sig', alg: 'RS256' };
};

/** A JWK Set of P-256 keys of these `kid`s. */
export const jwks = (...kids: readonly string[]): { keys: Jwk[] } => ({
  keys: kids.map((kid) => ecJwk(kid)),
});

/** The admitted form of an upstream's JWK. */
export const admitted = (jwk: Jwk, origin: 'upstream' | 'file' = 'upstream'): Key => {
  const admission = admitJwk(jwk, { origin });
  if (!admission.ok) throw new Error(`${admission.rejection.reason}: ${admission.rejection.detail}`);
  return admission.key;
};

export const kidsOf = (keys: readonly Key[]): (string | undefined)[] => keys.map((key) => key.jwk.kid);
