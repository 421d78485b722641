import { admitJwk } from '../jwk/admit.ts';
import { isKnownAlg } from '../jwk/algorithms.ts';
import type { PublicJwk } from '../jwk/key.ts';
import { positionOf } from './cursor.ts';
import { unavailable } from './unavailable.ts';
import type { RegisteredKey, Registration, Revocation, RevocationReason } from './store.ts';
import { revocationReasons } from './store.ts';

/** What is published of a registered key, in the order it is written; a certificate or a `key_ops` is nobody's proof. */
const published = ['kty', 'kid', 'use', 'alg', 'crv', 'n', 'e', 'x', 'y'] as const;

/** The record of a key that is registered now. */
export const newRecord = (
  { clientId, key, alg, label, expiresAt }: Registration,
  now: number,
): RegisteredKey => ({
  clientId,
  jkt: key.thumbprint,
  jwk: copyJwk({ ...key.jwk, kid: key.thumbprint, use: 'sig', alg }),
  label,
  createdAt: now,
  provedAt: now,
  expiresAt,
  revoked: undefined,
});

/** The record after one more proof of the same key. */
export const renewedRecord = (
  record: RegisteredKey,
  registration: Registration,
  now: number,
): RegisteredKey => ({
  ...newRecord(registration, now),
  label: registration.label ?? record.label,
  createdAt: record.createdAt,
  expiresAt: Math.max(record.expiresAt, registration.expiresAt),
});

/** The tombstone of a record. */
export const revokedRecord = (
  record: RegisteredKey,
  reason: RevocationReason,
  at: number,
): RegisteredKey => ({
  ...record,
  revoked: { reason, at },
});

/** How a record ends: all that most decisions ask of it. */
export interface Ending {
  readonly revoked: Pick<Revocation, 'reason'> | undefined;
  readonly expiresAt: number;
}

/** Whether the key is published: neither revoked nor expired. */
export const isCurrent = ({ revoked, expiresAt }: Ending, now: number): boolean =>
  revoked === undefined && expiresAt > now;

/** Whether the record is as good as absent: expired, and no tombstone. */
export const isLapsed = ({ revoked, expiresAt }: Ending, now: number): boolean =>
  revoked === undefined && expiresAt <= now;

/**
 * A record as text: JSON in ASCII, whatever the client id holds.
 *
 * NUL and lone surrogates are escaped by JSON, so that every database takes the text.
 */
export const encodeRecord = ({
  clientId,
  jwk,
  label,
  createdAt,
  provedAt,
  expiresAt,
  revoked,
}: RegisteredKey): string =>
  JSON.stringify({
    client: clientId,
    jwk,
    label,
    created: createdAt,
    proved: provedAt,
    expires: expiresAt,
    revoked,
  }).replaceAll(/[\u007f-\u{10ffff}]/gu, escape);

/** A record as a store keeps it. */
export interface StoredRecord {
  readonly text: string;
  /** Where it stands: `positionOf` its client and key, from a part of the store that is not the text. */
  readonly position: Buffer;
}

/**
 * Reads a record that `encodeRecord` wrote. Public members are copied by name, so nothing else can come out, and the key
 * is admitted once more: what is published is the key that was proved, by the client of this position.
 *
 * @throws {JwksdError} `store_unavailable` for a text that is not one: a damaged record publishes nothing.
 */
export const decodeRecord = ({ text, position }: StoredRecord): RegisteredKey => {
  const {
    client: clientId,
    jwk: stored,
    label,
    created: createdAt,
    proved: provedAt,
    expires: expiresAt,
    revoked,
  } = parseObject(text);
  const jwk = readmitted(copyJwk(stored ?? {}));
  if (
    jwk?.kid === undefined ||
    typeof clientId !== 'string' ||
    !positionOf(clientId, jwk.kid).equals(position) ||
    !(label === undefined || typeof label === 'string') ||
    !isTime(createdAt) ||
    !isTime(provedAt) ||
    !isTime(expiresAt) ||
    !(revoked === undefined || isRevocation(revoked))
  )
    throw damaged();
  return { clientId, jkt: jwk.kid, jwk, label, createdAt, provedAt, expiresAt, revoked };
};

function escape(text: string): string {
  let escaped = '';
  for (let index = 0; index < text.length; index += 1)
    escaped += `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`;
  return escaped;
}

function copyJwk(from: object): Readonly<PublicJwk> {
  const members = from as Readonly<Record<string, unknown>>;
  const own = published.filter((name) => Object.hasOwn(members, name) && typeof members[name] === 'string');
  return Object.freeze(Object.fromEntries(own.map((name) => [name, members[name]])) as unknown as PublicJwk);
}

/** The JWK, if it is to the last letter what was once admitted with a proof. */
function readmitted(jwk: Readonly<PublicJwk>): Readonly<PublicJwk> | undefined {
  const admission = admitJwk(jwk, { origin: 'proof', provedAlg: jwk.alg });
  if (jwk.alg === undefined || !isKnownAlg(jwk.alg) || !admission.ok) return undefined;
  return JSON.stringify(copyJwk(admission.key.jwk)) === JSON.stringify(jwk) ? jwk : undefined;
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

const isRevocation = (value: unknown): value is Revocation => {
  if (typeof value !== 'object' || value === null) return false;
  const { reason, at } = value as Partial<Revocation>;
  return isTime(at) && revocationReasons.some((known) => known === reason);
};

function parseObject(text: string): Readonly<Record<string, unknown> & { jwk?: object }> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw damaged();
}

const damaged = (): Error =>
  unavailable('a registered key cannot be read: the store is damaged; restore it from a backup');
