import type { Refusal } from './material.ts';

/** Whether a line begins like an OpenSSH public key, of a type jwksd reads or not. */
export const looksLikeSsh = (line: string): boolean =>
  /^(?:ssh-(?:rsa|dss|ed25519|ed448)|ecdsa-sha2-\S{1,40}|sk-\S{1,60})[\t ]/.test(line);

const ecCurves = new Map([
  ['nistp256', 'P-256'],
  ['nistp384', 'P-384'],
  ['nistp521', 'P-521'],
]);

const base64url = (bytes: Buffer): string => bytes.toString('base64url');

/** Reads one line `type base64 comment` as OpenSSH writes it to `.pub` (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4). */
export const readSshKey = (line: string): { readonly jwk: object } | Refusal => {
  const [type = '', base64 = ''] = line.trim().split(/[\t ]+/, 2);
  return readSshBlob(Buffer.from(base64, 'base64'), type);
};

/** Reads the public key blob (RFC 4253 §6.6); `type` is what the line around it promises. */
export const readSshBlob = (blob: Buffer, promised?: string): { readonly jwk: object } | Refusal => {
  const fields = splitFields(blob);
  const type = fields?.[0]?.toString('latin1');
  if (fields === undefined || type === undefined || (promised !== undefined && type !== promised)) {
    return { reason: 'malformed', detail: 'the OpenSSH public key is cut off or damaged' };
  }
  const [, first, second] = fields;
  if (type === 'ssh-rsa' && first && second) {
    return { jwk: { kty: 'RSA', n: base64url(second), e: base64url(first) } };
  }
  if (type === 'ssh-ed25519' && first) {
    return { jwk: { kty: 'OKP', crv: 'Ed25519', x: base64url(first) } };
  }
  const crv = ecCurves.get(/^ecdsa-sha2-(.*)$/.exec(type)?.[1] ?? '');
  if (crv !== undefined && second?.[0] === 4) {
    const half = (second.length - 1) / 2;
    const x = base64url(second.subarray(1, 1 + half));
    return { jwk: { kty: 'EC', crv, x, y: base64url(second.subarray(1 + half)) } };
  }
  return { reason: 'unsupported_kty', detail: 'this type of OpenSSH key cannot be a JWK' };
};

/** The length-prefixed fields (RFC 4251 §5); undefined unless they fill the blob exactly. */
function splitFields(blob: Buffer): readonly Buffer[] | undefined {
  const fields: Buffer[] = [];
  let at = 0;
  while (at < blob.length) {
    if (fields.length === 4 || at + 4 > blob.length) return undefined;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return undefined;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields;
}
