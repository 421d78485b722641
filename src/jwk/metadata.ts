import { contradicts, encrypts, signatureAlg, type Family } from './algorithms.ts';
import type { AdmitOptions, KeyWarning } from './key.ts';
import type { Read, Refusal } from './material.ts';

/** What a JWK says about a key beside the key itself (RFC 7517 §4.2 to §4.5). */
export interface Metadata {
  kid?: string;
  use?: string;
  alg?: string;
  key_ops?: readonly string[];
}

/** What a private key may do, as its public half may do it (RFC 7517 §4.3); a missing one has no public side. */
const publicOperation = new Map([
  ['sign', 'verify'],
  ['decrypt', 'encrypt'],
  ['unwrapKey', 'wrapKey'],
]);

const refuse = (detail: string): Refusal => ({ reason: 'malformed', detail });

/** A short printable name: everything registered for `use`, `alg` and `key_ops` is one. */
const isName = (value: unknown): value is string =>
  typeof value === 'string' && /^[\x21-\x7e]{1,64}$/.test(value);

/** Reads `use`, `alg` and `key_ops` and holds them against the key. An empty `use` or `alg` counts as absent. */
export const readMetadata = (read: Read, family: Family): Metadata | Refusal => {
  const metadata: Metadata = {};
  const use = read('use');
  if (use !== undefined && use !== '') {
    if (!isName(use)) return refuse('use is not a short string');
    metadata.use = use;
  }
  const alg = read('alg');
  if (alg !== undefined && alg !== '') {
    if (!isName(alg)) return refuse('alg is not a short string');
    if (contradicts(alg, family)) return refuse(`alg ${alg} does not work with this key (${family})`);
    metadata.alg = alg;
  }
  const operations = read('key_ops');
  if (operations !== undefined) {
    const list = copyNames(operations);
    if (list === undefined) return refuse('key_ops is not a list of short strings');
    metadata.key_ops = list;
  }
  return metadata;
};

/** A copy that no getter can change any more; undefined when it is not such a list. */
function copyNames(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value) || value.length > 32) return undefined;
  const names = [...(value as unknown[])];
  return names.every(isName) ? Object.freeze([...new Set(names)]) : undefined;
}

/** Whether a `kid` can be published: at most 1024 bytes, no control characters, no half of a surrogate pair. */
const isUsableKid = (kid: string): boolean =>
  kid.length <= 1024 && Buffer.byteLength(kid) <= 1024 && !/[\p{Cc}\p{Cs}]/u.test(kid);

/** Reads the `kid` (RFC 7517 §4.5). One that is not a string, or empty, counts as absent, with a warning. */
export const readKid = (read: Read): { kid?: string; warning?: KeyWarning } | Refusal => {
  const kid = read('kid');
  if (kid === undefined) return {};
  if (typeof kid !== 'string' || kid === '') {
    return { warning: { code: 'bad_kid', detail: 'kid is not a string with content and was ignored' } };
  }
  if (isUsableKid(kid)) return { kid };
  return {
    reason: 'bad_kid',
    detail: 'kid has control characters, half a character, or more than 1024 bytes',
  };
};

/** The same operations seen from the public half. */
export const publicOperations = (operations: readonly string[]): readonly string[] =>
  Object.freeze([
    ...new Set(
      operations
        .filter((operation) => operation !== 'deriveKey' && operation !== 'deriveBits')
        .map((operation) => publicOperation.get(operation) ?? operation),
    ),
  ]);

/**
 * Gives a key of a file what it lacks, so that a bare PEM is published as completely as a JWK.
 *
 * Only what follows from the key: a key that says it encrypts, by `use`, `alg` or `key_ops`, does not become a
 * signature key.
 */
export const completeMetadata = (
  given: Metadata,
  family: Family,
  print: string,
  options: Pick<AdmitOptions, 'rsaAlg'>,
): Metadata => {
  const metadata: Metadata = { ...given };
  metadata.kid ??= print;
  if (family === 'X25519' || family === 'X448') return metadata;
  if (metadata.alg !== undefined && encrypts(metadata.alg)) metadata.use ??= 'enc';
  if (metadata.key_ops !== undefined && !metadata.key_ops.includes('verify')) return metadata;
  metadata.use ??= 'sig';
  if (metadata.use === 'sig' && metadata.alg === undefined) {
    const alg = signatureAlg[family] ?? options.rsaAlg;
    if (alg !== undefined && !contradicts(alg, family)) metadata.alg = alg;
  }
  return metadata;
};
