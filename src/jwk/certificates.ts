import { createHash, X509Certificate, type KeyObject } from 'node:crypto';
import { decodeBase64 } from './base64.ts';
import type { Read } from './material.ts';

/** The certificate members that describe the key (RFC 7517 §4.7 to §4.9), and why others were left out. */
export interface Certificates {
  readonly members: { x5c?: readonly string[]; x5t?: string; 'x5t#S256'?: string };
  readonly problem?: string;
}

const longestCertificate = 24_576;
/** Certificates a key may carry. */
export const longestChain = 10;

/**
 * Reads `x5c`, `x5t` and `x5t#S256`, keeping only what is true of the key.
 *
 * The first certificate must hold this very key; the digests must be its digests. Digests without `x5c` cannot be
 * checked; they are kept when they have the length of a digest, because tokens that name their key by `x5t` need them
 * and a wrong one harms nobody: the signature still decides. Validity dates are not looked at: GitHub publishes an
 * expired certificate around a good key.
 */
export const readCertificates = (read: Read, publicKey: () => KeyObject | undefined): Certificates => {
  const chain = read('x5c');
  const sha1 = read('x5t');
  const sha256 = read('x5t#S256');
  if (chain === undefined && sha1 === undefined && sha256 === undefined) return { members: {} };
  if (chain === undefined) return uncheckedDigests(sha1, sha256);
  const certificates = parseChain(chain);
  const leaf = certificates?.[0];
  if (certificates === undefined || leaf === undefined) {
    return { members: {}, problem: 'x5c is not a list of certificates and was left out' };
  }
  if (!isKeyOf(leaf, publicKey)) {
    return {
      members: {},
      problem: 'the first certificate of x5c does not hold this key; x5c and its digests were left out',
    };
  }
  const members: Certificates['members'] = {
    x5c: Object.freeze(certificates.map((certificate) => certificate.raw.toString('base64'))),
  };
  const wrong: string[] = [];
  for (const [name, hash, value] of [
    ['x5t', 'sha1', sha1],
    ['x5t#S256', 'sha256', sha256],
  ] as const) {
    if (value === undefined) continue;
    const digest = createHash(hash).update(leaf.raw).digest();
    if (readDigest(value, digest.length)?.equals(digest) === true)
      members[name] = digest.toString('base64url');
    else wrong.push(name);
  }
  return wrong.length === 0
    ? { members }
    : { members, problem: `${wrong.join(' and ')} is not the digest of x5c and was left out` };
};

/** False also for a certificate whose key this runtime cannot read. */
function isKeyOf(certificate: X509Certificate, key: () => KeyObject | undefined): boolean {
  try {
    const publicKey = key();
    return publicKey !== undefined && certificate.publicKey.equals(publicKey);
  } catch {
    return false;
  }
}

function uncheckedDigests(sha1: unknown, sha256: unknown): Certificates {
  const members: Certificates['members'] = {};
  const wrong: string[] = [];
  for (const [name, length, value] of [
    ['x5t', 20, sha1],
    ['x5t#S256', 32, sha256],
  ] as const) {
    if (value === undefined) continue;
    const digest = readDigest(value, length);
    if (digest === undefined) wrong.push(name);
    else members[name] = digest.toString('base64url');
  }
  return wrong.length === 0
    ? { members }
    : { members, problem: `${wrong.join(' and ')} is not a digest and was left out` };
}

function readDigest(value: unknown, length: number): Buffer | undefined {
  if (typeof value !== 'string' || value.length > 128) return undefined;
  const bytes = decodeBase64(value);
  return bytes?.length === length ? bytes : undefined;
}

function parseChain(value: unknown): readonly X509Certificate[] | undefined {
  if (!Array.isArray(value) || value.length > longestChain) return undefined;
  const certificates: X509Certificate[] = [];
  for (const text of value as unknown[]) {
    const certificate = typeof text === 'string' ? parseCertificate(text) : undefined;
    if (certificate === undefined) return undefined;
    certificates.push(certificate);
  }
  return certificates;
}

/** Only what OpenSSL read is published (`raw`), so nothing can hide behind the end of a certificate. */
function parseCertificate(text: string): X509Certificate | undefined {
  const der = text.length > longestCertificate ? undefined : decodeBase64(text);
  if (der === undefined) return undefined;
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}
