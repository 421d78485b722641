import {
  createPrivateKey,
  createPublicKey,
  sign,
  verify,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { admitJwk, privateMembers } from './admit.ts';
import type { Key } from './key.ts';
import type { Refusal } from './material.ts';
import type { PrivateHalves } from './parse-file.ts';
import { explainCrypto } from './pem-key.ts';
import type { PemBlock } from './pem.ts';
import { readSshPrivateKey } from './ssh-private.ts';

const refuse = (detail: string): Refusal => ({ reason: 'malformed', detail });

/**
 * The private halves of a key file, found by the thumbprint of their public halves.
 *
 * For the commands that make, convert and use private keys; the server has no use for it. Handed to `parseKeyFile` as
 * `privates`, and asked afterwards.
 */
export class PrivateKeys implements PrivateHalves {
  readonly #passphrase: string | undefined;
  readonly #keys = new Map<string, KeyObject | Refusal>();
  #needsPassphrase = false;

  /** `passphrase` opens what is encrypted. */
  constructor(passphrase?: string) {
    this.#passphrase = passphrase;
  }

  /** Whether something stayed closed for want of a passphrase. */
  get needsPassphrase(): boolean {
    return this.#needsPassphrase;
  }

  /** The private half of a key, or why there is none. */
  of(key: Key): KeyObject | Refusal {
    return this.#keys.get(key.thumbprint) ?? refuse('there is no private key in it');
  }

  open(block: PemBlock): { readonly jwk: object } | Refusal {
    if (block.label === 'OPENSSH PRIVATE KEY') return this.#openSsh(block);
    const key = this.#read(block);
    if ('reason' in key) return key;
    try {
      const jwk = createPublicKey(key).export({ format: 'jwk' });
      this.#keep(jwk, key);
      return { jwk };
    } catch (error) {
      return explainCrypto(error);
    }
  }

  addJwk(entry: unknown): void {
    if (typeof entry !== 'object' || entry === null) return;
    const present = privateMembers.some((name) => (entry as Record<string, unknown>)[name] !== undefined);
    if (!present || (entry as { kty?: unknown }).kty === 'oct') return;
    this.#importJwk(entry, entry);
  }

  #openSsh(block: PemBlock): { readonly jwk: object } | Refusal {
    if (block.problem !== undefined) return refuse(block.problem);
    const ssh = readSshPrivateKey(block.der);
    if ('reason' in ssh) return ssh;
    if ('reason' in ssh.private) this.#keep(ssh.jwk, ssh.private);
    else this.#importJwk(ssh.private.jwk, ssh.jwk);
    return { jwk: ssh.jwk };
  }

  #importJwk(jwk: object, publicJwk: object): void {
    try {
      this.#keep(publicJwk, createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' }));
    } catch {
      const { d, p, kty } = jwk as Record<string, unknown>;
      const why =
        kty === 'RSA' && d !== undefined && p === undefined
          ? 'its private members are incomplete: p, q, dp, dq and qi are needed beside d (RFC 7518 §6.3.2)'
          : 'its private members are damaged, belong to another key, or are of a type this version of Node.js does not know';
      this.#keep(publicJwk, refuse(why));
    }
  }

  #keep(publicJwk: object, half: KeyObject | Refusal): void {
    const admission = admitJwk(publicJwk, { origin: 'file' });
    // What is not admitted is reported by the parser; there is no key to find this one by.
    if (!admission.ok) return;
    const { thumbprint, pem } = admission.key;
    const fits = 'reason' in half || pem === undefined || belongTogether(half, createPublicKey(pem));
    this.#keys.set(thumbprint, fits ? half : refuse('its private members belong to another key'));
  }

  #read(block: PemBlock): KeyObject | Refusal {
    const { label } = block;
    const isLocked = label === 'ENCRYPTED PRIVATE KEY' || block.locked !== undefined;
    if (block.problem !== undefined && !isLocked) return refuse(block.problem);
    if (isLocked && this.#passphrase === undefined) {
      this.#needsPassphrase = true;
      return refuse('it is encrypted and no passphrase was given');
    }
    const type = types.get(label);
    if (type === undefined) return refuse('such a block is not a key jwksd reads');
    const passphrase = this.#passphrase ?? '';
    try {
      if (block.problem === undefined) {
        return createPrivateKey({ key: block.der, format: 'der', type, ...(isLocked ? { passphrase } : {}) });
      }
      return createPrivateKey({ key: block.locked ?? '', passphrase });
    } catch (error) {
      return isLocked ? explainLocked(error) : explainCrypto(error);
    }
  }
}

const types = new Map<string, 'pkcs1' | 'pkcs8' | 'sec1'>([
  ['PRIVATE KEY', 'pkcs8'],
  ['ENCRYPTED PRIVATE KEY', 'pkcs8'],
  ['RSA PRIVATE KEY', 'pkcs1'],
  ['EC PRIVATE KEY', 'sec1'],
]);

function explainLocked(error: unknown): Refusal {
  const code = String((error as { code?: unknown }).code);
  return refuse(
    /UNSUPPORTED|UNKNOWN|FETCH/.test(code)
      ? 'it is encrypted in an old way; encrypt it anew with "openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE"'
      : 'the passphrase does not open it',
  );
}

/** Whether the one verifies what the other signs: OpenSSL takes a private key whose public members are another key's. */
function belongTogether(privateKey: KeyObject, publicKey: KeyObject): boolean {
  // Keys that only agree on secrets carry no public members beside the private one.
  if (privateKey.asymmetricKeyType?.startsWith('x') === true) return true;
  const probe = Buffer.from('jwksd');
  const hash = ['rsa', 'ec'].includes(privateKey.asymmetricKeyType ?? '') ? 'sha256' : null;
  try {
    return verify(hash, probe, publicKey, sign(hash, probe, privateKey));
  } catch {
    return false;
  }
}
