import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { certificatePem, makeCertificate, tlv } from './certificate.ts';

/** What a TLS server needs, as PEM. */
export interface ServerIdentity {
  readonly key: string;
  readonly cert: string;
}

const oid = (hex: string): Buffer => Buffer.from(hex, 'hex');
const extension = (id: string, value: Buffer, critical = false): Buffer =>
  tlv(0x30, oid(id), ...(critical ? [Buffer.from('0101ff', 'hex')] : []), tlv(0x04, value));

/** RFC 5280 §4.2.1.9: a certificate authority. */
const isAuthority = extension('0603551d13', tlv(0x30, Buffer.from('0101ff', 'hex')), true);
/** RFC 5280 §4.2.1.6: these names, 127.0.0.1 and ::1. */
const isCalled = (names: readonly string[]): Buffer =>
  extension(
    '0603551d11',
    tlv(
      0x30,
      ...names.map((name) => tlv(0x82, Buffer.from(name))),
      tlv(0x87, Buffer.from([127, 0, 0, 1])),
      tlv(0x87, Buffer.from([...Array(15).fill(0), 1])),
    ),
  );

const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;

/** A certificate authority of its own; nobody trusts it until a test puts `cert` into a `caFile`. */
export class FakeAuthority {
  /** PEM. */
  readonly cert: string;
  readonly #name: string;
  readonly #privateKey: KeyObject;

  constructor(name = 'jwksd test authority') {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#name = name;
    this.#privateKey = privateKey;
    const der = makeCertificate({ subject: name, publicKey, signer: privateKey, extensions: [isAuthority] });
    this.cert = certificatePem(der);
  }

  /**
   * A certificate for localhost and `names`.
   *
   * `validity` is two times of the form `YYMMDDhhmmssZ`, to make an expired one.
   */
  issue(validity?: readonly [string, string], names: readonly string[] = []): ServerIdentity {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const der = makeCertificate({
      subject: 'localhost',
      publicKey,
      issuer: this.#name,
      signer: this.#privateKey,
      extensions: [isCalled(['localhost', ...names])],
      ...(validity === undefined ? {} : { validity }),
    });
    return { key: pemOf(privateKey), cert: certificatePem(der) };
  }
}
