import { createPrivateKey, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import type { Refusal } from './material.ts';
import { encrypted, type PemBlock } from './pem.ts';

/** What a PEM block holds: a public key as a JWK, a certificate, nothing that matters, or a problem. */
export type PemContent =
  | { readonly kind: 'key'; readonly jwk: object; readonly isPrivate: boolean }
  | { readonly kind: 'certificate'; readonly certificate: X509Certificate; readonly jwk: object }
  | { readonly kind: 'skip' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Opens private blocks for a command that was asked for the private half; the server has none. */
export interface PrivateBlocks {
  /** The public half of the block, which keeps the private one for itself; or why it cannot be opened. */
  open(block: PemBlock): { readonly jwk: object } | Refusal;
}

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

/** Reads the public half of a PEM block; the private half of a private key is dropped here, unless `privates` takes it. */
export const readPemBlock = (block: PemBlock, privates?: PrivateBlocks): PemContent => {
  const { label } = block;
  if (privates !== undefined && label.endsWith('PRIVATE KEY')) {
    const opened = privates.open(block);
    if ('jwk' in opened) return { kind: 'key', jwk: opened.jwk, isPrivate: true };
    return refuse(opened.reason, `${label}: ${opened.detail}`);
  }
  // "openssl ecparam -genkey" writes the curve in front of a key that names it again.
  if (label.endsWith(' PARAMETERS') && block.problem === undefined) return { kind: 'skip' };
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
    const { reason, detail } = explainCrypto(error);
    return refuse(reason, `${label}: ${detail}`);
  }
};

/** Why Node.js read no key, or made no JWK of it. */
export const explainCrypto = (error: unknown): Refusal => {
  switch ((error as { code?: unknown }).code) {
    case 'ERR_CRYPTO_JWK_UNSUPPORTED_CURVE':
      return { reason: 'unsupported_crv', detail: 'no JWK exists for this curve' };
    case 'ERR_CRYPTO_JWK_UNSUPPORTED_KEY_TYPE':
      return { reason: 'unsupported_kty', detail: 'no JWK exists for this type of key' };
    default:
      return {
        reason: 'malformed',
        detail: 'damaged, or of a type this version of Node.js does not know',
      };
  }
};
