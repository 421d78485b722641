import { createPrivateKey, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import type { Refusal } from './material.ts';
import { encrypted, type PemBlock } from './pem.ts';

/** What a PEM block holds: a public key as a JWK, a certificate, nothing that matters, or a problem. */
export type PemContent =
  | { readonly kind: 'key'; readonly jwk: object; readonly isPrivate: boolean }
  | { readonly kind: 'certificate'; readonly certificate: X509Certificate; readonly jwk: object }
  | { readonly kind: 'skip' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** How each kind of key block is read. */
const readers = new Map<string, { readonly isPrivate: boolean; read(der: Buffer): KeyObject }>([
  ['PUBLIC KEY', { isPrivate: false, read: (key) => createPublicKey({ key, format: 'der', type: 'spki' }) }],
  [
    'RSA PUBLIC KEY',
    { isPrivate: false, read: (key) => createPublicKey({ key, format: 'der', type: 'pkcs1' }) },
  ],
  [
    'PRIVATE KEY',
    { isPrivate: true, read: (key) => createPrivateKey({ key, format: 'der', type: 'pkcs8' }) },
  ],
  [
    'RSA PRIVATE KEY',
    { isPrivate: true, read: (key) => createPrivateKey({ key, format: 'der', type: 'pkcs1' }) },
  ],
  [
    'EC PRIVATE KEY',
    { isPrivate: true, read: (key) => createPrivateKey({ key, format: 'der', type: 'sec1' }) },
  ],
]);

const certificates = new Set(['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE']);

const refuse = (reason: Refusal['reason'], detail: string): PemContent => ({
  kind: 'refused',
  refusal: { reason, detail },
});

/** Reads the public half of a PEM block; the private half of a private key is dropped here. */
export const readPemBlock = (block: PemBlock): PemContent => {
  const { label } = block;
  // "openssl ecparam -genkey" writes the curve in front of a key that names it again.
  if (label.endsWith(' PARAMETERS')) return { kind: 'skip' };
  if (label === 'ENCRYPTED PRIVATE KEY') return refuse('malformed', `${label}: ${encrypted}`);
  if (label === 'OPENSSH PRIVATE KEY') {
    return refuse('malformed', `${label}: this form is not read; put the .pub file that belongs to it here`);
  }
  if (block.problem !== undefined) return refuse('malformed', `${label}: ${block.problem}`);
  try {
    if (certificates.has(label)) {
      const certificate = new X509Certificate(block.der);
      return { kind: 'certificate', certificate, jwk: certificate.publicKey.export({ format: 'jwk' }) };
    }
    const reader = readers.get(label);
    if (reader === undefined) return refuse('malformed', `${label}: such a block is not a key jwksd reads`);
    const key = reader.read(block.der);
    const publicKey = reader.isPrivate ? createPublicKey(key) : key;
    return { kind: 'key', jwk: publicKey.export({ format: 'jwk' }), isPrivate: reader.isPrivate };
  } catch (error) {
    return explain(label, (error as { code?: unknown }).code);
  }
};

function explain(label: string, code: unknown): PemContent {
  switch (code) {
    case 'ERR_CRYPTO_JWK_UNSUPPORTED_CURVE':
      return refuse('unsupported_crv', `${label}: no JWK exists for this curve`);
    case 'ERR_CRYPTO_JWK_UNSUPPORTED_KEY_TYPE':
      return refuse('unsupported_kty', `${label}: no JWK exists for this type of key`);
    default:
      return refuse('malformed', `${label}: damaged, or of a type this version of Node.js does not know`);
  }
}
