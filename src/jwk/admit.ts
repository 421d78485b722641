import type { Family } from './algorithms.ts';
import { readCertificates, type Certificates } from './certificates.ts';
import { excerpt } from './excerpt.ts';
import type { Admission, AdmitOptions, Key, KeyWarning, PublicJwk } from './key.ts';
import { readMaterial, type Material, type Read, type Refusal } from './material.ts';
import { completeMetadata, publicOperations, readKid, readMetadata, type Metadata } from './metadata.ts';
import { publicKeyPem } from './spki.ts';
import { thumbprint } from './thumbprint.ts';

/** Private and symmetric members (RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2, RFC 9964): never copied, never published. */
export const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const;

/** What is said of a private key whose public half was used. */
export const privateHalfWarning = {
  code: 'private_material',
  detail: 'holds a private key; only its public half is used',
} as const satisfies KeyWarning;

/** All that is ever read of an entry. */
const publicMembers = [
  ...(['kty', 'kid', 'use', 'alg', 'key_ops', 'n', 'e', 'crv', 'x', 'y', 'pub'] as const),
  ...(['x5c', 'x5t', 'x5t#S256'] as const),
] satisfies (keyof PublicJwk)[];

/**
 * Makes one public, canonical key out of one entry of a JWK Set, or says why not.
 *
 * The entry may be anything at all, a proxy that throws included: the outcome is a value in every case. Allow-listed
 * members are copied one by one and only own ones; every spelling of a key gives one thumbprint; what is wrong beside
 * the key (a `kid` that is a number, a foreign certificate) is left out with a warning. A private member rejects the
 * entry before anything else is looked at, unless it comes from a file.
 */
export const admitJwk = (entry: unknown, options: AdmitOptions): Admission => {
  try {
    return admit(entry, options);
  } catch {
    return reject({ reason: 'malformed', detail: 'the entry cannot be read' }, () => undefined);
  }
};

function admit(entry: unknown, options: AdmitOptions): Admission {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    return reject({ reason: 'malformed', detail: 'the entry is not a JSON object' }, () => undefined);
  }
  const isPrivate = privateMembers.some((name) => Object.hasOwn(entry, name));
  const members = copyOwn(entry);
  const read: Read = (name) => members.get(name);
  if (isPrivate && options.origin !== 'file') {
    return reject({ reason: 'private_material', detail: 'the entry has private or symmetric members' }, read);
  }
  const material = readMaterial(read);
  if ('reason' in material) return reject(material, read);
  const metadata = readMetadata(read, material.family);
  if ('reason' in metadata) return reject(metadata, read);
  const kid = readKid(read);
  if ('reason' in kid) return reject(kid, read);
  const certificates: Certificates =
    options.provedAlg === undefined ? readCertificates(read, material.publicKey) : { members: {} };

  const warnings: KeyWarning[] = [];
  const named = kid.kid === undefined ? {} : { kid: excerpt(kid.kid) ?? '' };
  if (kid.warning) warnings.push(kid.warning);
  if (isPrivate) {
    warnings.push({ ...privateHalfWarning, ...named });
    if (metadata.key_ops) metadata.key_ops = publicOperations(metadata.key_ops);
  }
  if (certificates.problem !== undefined) {
    warnings.push({ code: 'certificate_mismatch', detail: certificates.problem, ...named });
  }
  if (kid.kid !== undefined) metadata.kid = kid.kid;
  return { ok: true, key: build(material, metadata, certificates.members, options), warnings };
}

/** Reads each allow-listed member once, so that a getter cannot show two faces. A null member counts as absent. */
function copyOwn(entry: object): ReadonlyMap<string, unknown> {
  const members = new Map<string, unknown>();
  for (const name of publicMembers) {
    if (Object.hasOwn(entry, name)) members.set(name, (entry as Record<string, unknown>)[name] ?? undefined);
  }
  return members;
}

class AdmittedKey {
  readonly jwk: Readonly<PublicJwk>;
  readonly json: string;
  readonly thumbprint: string;
  readonly name: string;
  readonly fullOnly: Key['fullOnly'];
  readonly #hasPem: boolean;

  constructor(jwk: Readonly<PublicJwk>, print: string, fullOnly: Key['fullOnly'], hasPem: boolean) {
    this.jwk = jwk;
    this.json = JSON.stringify(jwk);
    this.thumbprint = print;
    this.name = `${print} ${jwk.kid ?? ''}`;
    this.fullOnly = fullOnly;
    this.#hasPem = hasPem;
  }

  get pem(): string | undefined {
    return this.#hasPem ? publicKeyPem(this.jwk) : undefined;
  }
}

/** Puts the members together in the order of {@link PublicJwk}. */
function build(
  { members, family, hasPem, fullOnly }: Material,
  given: Metadata,
  certificates: Pick<PublicJwk, 'x5c' | 'x5t' | 'x5t#S256'>,
  options: AdmitOptions,
): Key {
  const print = thumbprint(members);
  const metadata = publishedMetadata(given, family, print, options);
  const { kty, alg: _alg, ...numbers } = members;
  const { kid, use, alg, key_ops } = metadata;
  const jwk: PublicJwk = { kty };
  if (kid !== undefined) jwk.kid = kid;
  if (use !== undefined) jwk.use = use;
  if (alg !== undefined) jwk.alg = alg;
  if (key_ops !== undefined) jwk.key_ops = key_ops;
  Object.assign(jwk, numbers, certificates);
  // The one place where a Key comes into being: the brand has no value.
  return Object.freeze(new AdmittedKey(Object.freeze(jwk), print, fullOnly, hasPem)) as Key;
}

function publishedMetadata(given: Metadata, family: Family, print: string, options: AdmitOptions): Metadata {
  if (options.provedAlg !== undefined) return { kid: print, use: 'sig', alg: options.provedAlg };
  return options.origin === 'file' ? completeMetadata(given, family, print, options) : given;
}

function reject(refusal: Refusal, read: Read): Admission {
  const kid = excerpt(read('kid'));
  const kty = excerpt(read('kty'));
  return {
    ok: false,
    rejection: {
      reason: refusal.reason,
      detail: refusal.detail,
      ...(kid === undefined ? {} : { kid }),
      ...(kty === undefined ? {} : { kty }),
    },
  };
}
