import type { KeyObject } from 'node:crypto';

const field = (bytes: Buffer | string): Buffer => {
  const content = Buffer.from(bytes as Buffer);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
};

/** A number without needless zeros, and with one where it would look negative (RFC 4251 §5). */
const mpint = (text = ''): Buffer => {
  let bytes = Buffer.from(text, 'base64url');
  while (bytes[0] === 0) bytes = bytes.subarray(1);
  return field((bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.from([0]), bytes]));
};

const curves: Readonly<Record<string, string>> = {
  'P-256': 'nistp256',
  'P-384': 'nistp384',
  'P-521': 'nistp521',
};

/** A private key as ssh-keygen writes it (PROTOCOL.key of OpenSSH); `cipher` only names one, the content stays plain. */
export const openSshPrivateKey = (key: KeyObject, cipher = 'none'): string => {
  const jwk = key.export({ format: 'jwk' });
  const of = (name: 'x' | 'y' | 'd'): Buffer => Buffer.from(jwk[name] ?? '', 'base64url');
  let type = field('ssh-rsa');
  let open = [mpint(jwk.e), mpint(jwk.n)];
  let secret = [mpint(jwk.n), mpint(jwk.e), mpint(jwk.d), mpint(jwk.qi), mpint(jwk.p), mpint(jwk.q)];
  if (jwk.kty === 'OKP') {
    type = field('ssh-ed25519');
    open = [field(of('x'))];
    secret = [...open, field(Buffer.concat([of('d'), of('x')]))];
  } else if (jwk.kty === 'EC') {
    const curve = curves[jwk.crv ?? ''] ?? '';
    type = field(`ecdsa-sha2-${curve}`);
    open = [field(curve), field(Buffer.concat([Buffer.from([4]), of('x'), of('y')]))];
    secret = [...open, mpint(jwk.d)];
  }
  const content = [Buffer.from('0001020300010203', 'hex'), type, ...secret, field('me@here')];
  const blob = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    field(cipher),
    field(cipher === 'none' ? 'none' : 'bcrypt'),
    field(''),
    Buffer.from([0, 0, 0, 1]),
    field(Buffer.concat([type, ...open])),
    field(Buffer.concat([...content, Buffer.from([1, 2, 3])])),
  ]);
  const lines = blob.toString('base64').replaceAll(/.{70}(?=.)/gu, '$&\n');
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`;
};
