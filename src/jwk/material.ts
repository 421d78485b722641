import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { Family, MlDsa } from './algorithms.ts';
import { decodeBase64, longestNumber } from './base64.ts';
import { judgeEdwardsPoint } from './edwards.ts';
import type { Key, PublicJwk, RejectReason } from './key.ts';

/** Why an entry is not admitted, before it is known which entry of which set it was. */
export interface Refusal {
  readonly reason: RejectReason;
  /** A sentence for people; holds no key material. */
  readonly detail: string;
}

/** The key itself, without the metadata around it. */
export interface Material {
  /** `kty` and the members of that type in canonical spelling. For AKP the `alg` belongs to them. */
  readonly members: PublicJwk;
  readonly family: Family;
  /** The key as OpenSSL holds it; undefined when this runtime cannot represent it. */
  readonly publicKey: () => KeyObject | undefined;
  /** Whether this runtime can represent the key. */
  readonly hasPem: boolean;
  readonly fullOnly: Key['fullOnly'];
}

/** One member of the entry; undefined when it is absent, inherited or null. */
export type Read = (name: string) => unknown;

const curveSizes = new Map([
  ['P-256', 32],
  ['P-384', 48],
  ['P-521', 66],
  ['secp256k1', 32],
] as const satisfies [Family, number][] as [string, number][]);

const octetKeySizes = new Map([
  ['Ed25519', 32],
  ['Ed448', 57],
  ['X25519', 32],
  ['X448', 56],
] as const satisfies [Family, number][] as [string, number][]);

const mlDsaSizes = new Map([
  ['ML-DSA-44', 1312],
  ['ML-DSA-65', 1952],
  ['ML-DSA-87', 2592],
] as const satisfies [MlDsa, number][] as [string, number][]);

const refuse = (reason: RejectReason, detail: string): Refusal => ({ reason, detail });

/** Reads the members that `kty` asks for, judges the numbers, and spells them canonically. */
export const readMaterial = (read: Read): Material | Refusal => {
  const kty = read('kty');
  switch (kty) {
    case 'RSA':
      return readRsa(read);
    case 'EC':
      return readEc(read);
    case 'OKP':
      return readOctetKey(read);
    case 'AKP':
      return readMlDsa(read);
    default:
      return typeof kty === 'string'
        ? refuse(
            'unsupported_kty',
            kty === 'oct' ? 'a symmetric key is not a public key' : 'this kty is not known',
          )
        : refuse('malformed', 'kty is missing or not a string');
  }
};

/** The bytes of a member, or why there are none. */
function readBytes(read: Read, name: string): Buffer | Refusal {
  const text = read(name);
  if (typeof text !== 'string') return refuse('malformed', `${name} is missing or not a string`);
  if (text.length > longestNumber) {
    return refuse(name === 'n' ? 'oversize_key' : 'malformed', `${name} has ${text.length} characters`);
  }
  const bytes = decodeBase64(text);
  if (bytes === undefined) return refuse('malformed', `${name} is not base64url`);
  return bytes.length > 0 ? bytes : refuse('malformed', `${name} is empty`);
}

function withoutLeadingZeros(bytes: Buffer): Buffer {
  let start = 0;
  while (bytes[start] === 0) start += 1;
  return start === 0 ? bytes : bytes.subarray(start);
}

/** RFC 7518 §6.3.1. OpenSSL takes e = 1 and 65,536 bits, so the limits are ours. */
function readRsa(read: Read): Material | Refusal {
  const rawModulus = readBytes(read, 'n');
  if ('reason' in rawModulus) return rawModulus;
  const rawExponent = readBytes(read, 'e');
  if ('reason' in rawExponent) return rawExponent;
  const n = withoutLeadingZeros(rawModulus);
  const bits = n.length * 8 - (n[0] === undefined ? 0 : Math.clz32(n[0]) - 24);
  if (bits < 2048) return refuse('weak_key', `RSA with ${bits} bits; at least 2048 are needed`);
  if (bits > 8192) return refuse('oversize_key', `RSA with ${bits} bits; at most 8192 are read`);
  if (((n.at(-1) ?? 0) & 1) === 0) return refuse('weak_key', 'n is even');
  const e = withoutLeadingZeros(rawExponent);
  if (e.length > 4) return refuse('weak_key', 'e is 2^32 or more');
  if (((e.at(-1) ?? 0) & 1) === 0) return refuse('weak_key', 'e is even');
  if (e.length === 1 && e[0] === 1) return refuse('weak_key', 'e is 1');
  const members: PublicJwk = { kty: 'RSA', n: n.toString('base64url'), e: e.toString('base64url') };
  // OpenSSL takes every number that is left, so it is not asked: that would cost more than all the rest of admission.
  return { members, family: 'RSA', publicKey: () => toKeyObject(members), hasPem: true, fullOnly: undefined };
}

/** RFC 7518 §6.2.1: full length coordinates; leading zeros beyond it are one more spelling, too few are not a key. */
function readEc(read: Read): Material | Refusal {
  const crv = read('crv');
  if (typeof crv !== 'string') return refuse('malformed', 'crv is missing or not a string');
  const size = curveSizes.get(crv);
  if (size === undefined) return refuse('unsupported_crv', 'this curve is not known for EC');
  const x = readCoordinate(read, 'x', size);
  if ('reason' in x) return x;
  const y = readCoordinate(read, 'y', size);
  if ('reason' in y) return y;
  const members: PublicJwk = { kty: 'EC', crv, x: x.toString('base64url'), y: y.toString('base64url') };
  const publicKey = toKeyObject(members);
  if (publicKey === undefined) return refuse('malformed', 'the point is not on the curve');
  const fullOnly = crv === 'secp256k1' ? 'unsupported_crv' : undefined;
  return { members, family: crv as Family, publicKey: () => publicKey, hasPem: true, fullOnly };
}

function readCoordinate(read: Read, name: string, size: number): Buffer | Refusal {
  const bytes = readBytes(read, name);
  if ('reason' in bytes) return bytes;
  const extra = bytes.length - size;
  if (extra < 0) return refuse('malformed', `${name} has ${bytes.length} bytes, the curve needs ${size}`);
  if (bytes.subarray(0, extra).some((byte) => byte !== 0)) {
    return refuse('malformed', `${name} is larger than the curve`);
  }
  return bytes.subarray(extra);
}

/** RFC 8037 §2. */
function readOctetKey(read: Read): Material | Refusal {
  const crv = read('crv');
  if (typeof crv !== 'string') return refuse('malformed', 'crv is missing or not a string');
  const size = octetKeySizes.get(crv);
  if (size === undefined) return refuse('unsupported_crv', 'this curve is not known for OKP');
  const x = readBytes(read, 'x');
  if ('reason' in x) return x;
  if (x.length !== size) return refuse('malformed', `x has ${x.length} bytes, the curve needs ${size}`);
  if (crv === 'Ed25519' || crv === 'Ed448') {
    const judgement = judgeEdwardsPoint(crv, x);
    if (judgement === 'small-order')
      return refuse('weak_key', 'a point of small order: signatures prove nothing');
    if (judgement === 'not-a-point') return refuse('malformed', 'x is not a point of the curve');
  }
  const members: PublicJwk = { kty: 'OKP', crv, x: x.toString('base64url') };
  const fullOnly = crv.startsWith('X') ? 'unsupported_crv' : undefined;
  const publicKey = toKeyObject(members);
  const hasPem = publicKey !== undefined;
  return { members, family: crv as Family, publicKey: () => publicKey, hasPem, fullOnly };
}

/** RFC 9964: the `alg` is required and decides the length. */
function readMlDsa(read: Read): Material | Refusal {
  const alg = read('alg');
  if (typeof alg !== 'string') return refuse('malformed', 'alg is missing or not a string');
  const size = mlDsaSizes.get(alg);
  if (size === undefined) return refuse('unsupported_kty', 'this alg is not known for AKP');
  const pub = readBytes(read, 'pub');
  if ('reason' in pub) return pub;
  if (pub.length !== size) return refuse('malformed', `pub has ${pub.length} bytes, ${alg} needs ${size}`);
  const members: PublicJwk = { kty: 'AKP', alg, pub: pub.toString('base64url') };
  const publicKey = toKeyObject(members);
  const hasPem = publicKey !== undefined;
  return {
    members,
    family: alg as MlDsa,
    publicKey: () => publicKey,
    hasPem,
    fullOnly: 'unsupported_kty',
  };
}

/** Undefined when OpenSSL refuses the key or does not know its type. */
function toKeyObject(members: PublicJwk): KeyObject | undefined {
  try {
    return createPublicKey({ key: members as JsonWebKey, format: 'jwk' });
  } catch {
    return undefined;
  }
}
