import { sign, type KeyObject } from 'node:crypto';

/** One DER element: tag, length, contents. */
export const tlv = (tag: number, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const { length } = body;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
};

const signatureAlgorithms: Readonly<Record<string, string>> = {
  rsa: '300d06092a864886f70d01010b0500',
  ec: '300a06082a8648ce3d040302',
  ed25519: '300506032b6570',
};

const nameOf = (commonName: string): Buffer =>
  tlv(0x30, tlv(0x31, tlv(0x30, Buffer.from('0603550403', 'hex'), tlv(0x0c, Buffer.from(commonName)))));

/** What a certificate of a test says. */
export interface CertificateSpec {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly issuer?: string;
  readonly signer: KeyObject;
  /** Two times of the form `YYMMDDhhmmssZ`. */
  readonly validity?: readonly [string, string];
  /** Whole DER extensions (RFC 5280 §4.2); a certificate without any is of version 1. */
  readonly extensions?: readonly Buffer[];
}

/** Makes a minimal X.509 certificate in DER, because Node can read them but not make them. */
export const makeCertificate = (spec: CertificateSpec): Buffer => {
  const {
    subject,
    publicKey,
    issuer = subject,
    signer,
    validity = ['240101000000Z', '490101000000Z'],
    extensions = [],
  } = spec;
  const type = signer.asymmetricKeyType ?? '';
  const algorithm = Buffer.from(signatureAlgorithms[type] ?? '', 'hex');
  const version3 = tlv(0xa0, tlv(0x02, Buffer.from([2])));
  const body = tlv(
    0x30,
    ...(extensions.length > 0 ? [version3] : []),
    tlv(0x02, Buffer.from([1])),
    algorithm,
    nameOf(issuer),
    tlv(0x30, ...validity.map((time) => tlv(0x17, Buffer.from(time)))),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length > 0 ? [tlv(0xa3, tlv(0x30, ...extensions))] : []),
  );
  const signature = sign(type === 'ed25519' ? null : 'sha256', body, signer);
  return tlv(0x30, body, algorithm, tlv(0x03, Buffer.from([0]), signature));
};

/** The same as PEM. */
export const certificatePem = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
