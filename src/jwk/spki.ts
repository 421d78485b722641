import { createPublicKey, type JsonWebKey } from 'node:crypto';
import type { PublicJwk } from './key.ts';

/**
 * What stands before the point in the DER of a public key: the algorithm and the head of the bit string (RFC 5480
 * §2, RFC 8410 §4). Its length is fixed because the point's is.
 */
const pointPrefixes: Readonly<Record<string, Buffer>> = {
  'P-256': Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'),
  'P-384': Buffer.from('3076301006072a8648ce3d020106052b8104002203620004', 'hex'),
  'P-521': Buffer.from('30819b301006072a8648ce3d020106052b810400230381860004', 'hex'),
  secp256k1: Buffer.from('3056301006072a8648ce3d020106052b8104000a03420004', 'hex'),
  Ed25519: Buffer.from('302a300506032b6570032100', 'hex'),
  Ed448: Buffer.from('3043300506032b6571033a00', 'hex'),
  X25519: Buffer.from('302a300506032b656e032100', 'hex'),
  X448: Buffer.from('3042300506032b656f033900', 'hex'),
};

/** The algorithm `rsaEncryption` with its NULL (RFC 3279 §2.3.1). */
const rsaAlgorithm = Buffer.from('300d06092a864886f70d0101010500', 'hex');

/** One DER element: tag, length, content. */
function element(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = content.length === 1 && content[0] !== undefined ? content[0] : Buffer.concat(content);
  const { length } = body;
  let head: number[];
  if (length < 0x80) head = [tag, length];
  else if (length < 0x100) head = [tag, 0x81, length];
  else head = [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), body]);
}

const zero = Buffer.from([0]);

/** A positive DER integer from bytes without leading zeros. */
function integer(bytes: Buffer): Buffer {
  return (bytes[0] ?? 0) < 0x80 ? element(2, bytes) : element(2, zero, bytes);
}

/** The public key PEM around a DER key, exactly as OpenSSL writes it: 64 characters a line (RFC 7468 §13). */
function toPem(der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN PUBLIC KEY-----\n${lines}\n-----END PUBLIC KEY-----\n`;
}

const decode = (text = ''): Buffer => Buffer.from(text, 'base64url');

/**
 * The public key PEM (RFC 7468 §13, LF line ends) of the canonical form of a key that this runtime can represent.
 *
 * Written here because OpenSSL's encoder takes several times longer than admission.
 */
export const publicKeyPem = (jwk: Readonly<PublicJwk>): string => {
  if (jwk.kty === 'RSA') {
    const numbers = element(0x30, integer(decode(jwk.n)), integer(decode(jwk.e)));
    return toPem(element(0x30, rsaAlgorithm, element(3, zero, numbers)));
  }
  const prefix = pointPrefixes[jwk.crv ?? ''];
  return prefix === undefined
    ? createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
        .export({ type: 'spki', format: 'pem' })
        .toString()
    : toPem(Buffer.concat([prefix, decode(jwk.x), decode(jwk.y)]));
};
