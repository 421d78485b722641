import type { Refusal } from './material.ts';
import { readSshBlob } from './ssh.ts';

/** What an OpenSSH private key file holds. */
export interface SshPrivateKey {
  /** The public half, which is never encrypted. */
  readonly jwk: object;
  /** The private JWK, or why there is none. */
  readonly private: { readonly jwk: Readonly<Record<string, string>> } | Refusal;
}

const magic = Buffer.from('openssh-key-v1\0', 'latin1');
const damaged: Refusal = { reason: 'malformed', detail: 'cut off or damaged' };
/** OpenSSH derives its keys with bcrypt, which neither Node.js nor OpenSSL has. */
const locked: Refusal = {
  reason: 'malformed',
  detail:
    'encrypted in the form of OpenSSH, which only OpenSSH opens: take the passphrase off a copy with "ssh-keygen -p -f COPY" and convert that',
};

/** Reads the block `OPENSSH PRIVATE KEY` (PROTOCOL.key of OpenSSH); one key, as ssh-keygen writes it. */
export const readSshPrivateKey = (blob: Buffer): SshPrivateKey | Refusal => {
  try {
    if (!blob.subarray(0, magic.length).equals(magic)) return damaged;
    const outer = new Fields(blob, magic.length);
    const cipher = outer.next().toString('latin1');
    outer.next();
    outer.next();
    if (outer.number() !== 1) return { reason: 'malformed', detail: 'it holds several keys' };
    const publicHalf = readSshBlob(outer.next());
    if ('reason' in publicHalf) return publicHalf;
    const content = outer.next();
    return {
      jwk: publicHalf.jwk,
      private: cipher === 'none' ? readContent(content, publicHalf.jwk) : locked,
    };
  } catch {
    // Cut off, or numbers that are none.
    return damaged;
  }
};

function readContent(content: Buffer, publicJwk: object): SshPrivateKey['private'] {
  const fields = new Fields(content, 0);
  if (fields.number() !== fields.number()) return damaged;
  const type = fields.next().toString('latin1');
  const secret = (members: Readonly<Record<string, Buffer>>): SshPrivateKey['private'] => ({
    jwk: {
      ...(publicJwk as Readonly<Record<string, string>>),
      ...Object.fromEntries(
        Object.entries(members).map(([name, bytes]) => [name, bytes.toString('base64url')]),
      ),
    },
  });
  if (type === 'ssh-ed25519') {
    fields.next();
    // The seed, and the public key once more (RFC 8032 §5.1.5).
    return secret({ d: fields.next().subarray(0, 32) });
  }
  if (type === 'ssh-rsa') {
    fields.next();
    fields.next();
    const [d, qi, p, q] = [fields.next(), fields.next(), fields.next(), fields.next()].map(positive);
    if (d === undefined || qi === undefined || p === undefined || q === undefined) return damaged;
    return secret({ d, p, q, dp: remainder(d, p), dq: remainder(d, q), qi });
  }
  if (type.startsWith('ecdsa-sha2-')) {
    fields.next();
    // The point: one byte that says it is not compressed, x, y.
    const size = (fields.next().length - 1) / 2;
    const d = positive(fields.next());
    return secret({ d: Buffer.concat([Buffer.alloc(Math.max(0, size - d.length)), d]) });
  }
  return { reason: 'unsupported_kty', detail: 'this type of OpenSSH key cannot be a JWK' };
}

/** Length-prefixed fields (RFC 4251 §5), one after the other. @throws RangeError at the end of the bytes. */
class Fields {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  number(): number {
    const value = this.#bytes.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  next(): Buffer {
    const end = this.number() + this.#at;
    if (end > this.#bytes.length) throw new RangeError('cut off');
    const field = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return field;
  }
}

/** An mpint without the zero that keeps it positive. */
const positive = (bytes: Buffer): Buffer => (bytes[0] === 0 ? bytes.subarray(1) : bytes);

/** `number` modulo `prime` - 1, as RFC 7518 §6.3.2.4 wants it. */
const remainder = (number: Buffer, prime: Buffer): Buffer => {
  const hex = (BigInt(`0x${number.toString('hex')}`) % (BigInt(`0x${prime.toString('hex')}`) - 1n)).toString(
    16,
  );
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
};
