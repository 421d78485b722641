import type { X509Certificate } from 'node:crypto';
import { privateHalfWarning } from './admit.ts';
import { longestChain } from './certificates.ts';
import { decodeText, parseJsonInSteps } from './json.ts';
import type { ParsedSet } from './key.ts';
import { readPemBlock, type PrivateBlocks } from './pem-key.ts';
import { pemBlocks } from './pem.ts';
import { admitEntries, entriesOf } from './parse-set.ts';
import { SetCollector } from './set-collector.ts';
import { looksLikeSsh, readSshKey } from './ssh.ts';

/** How a key file is read. */
export interface KeyFileOptions {
  /** The file as the operator knows it; a warning about a private key names it. */
  readonly name: string;
  /** `alg` of the RSA keys that name none. */
  readonly rsaAlg?: string | undefined;
  /** The one `alg` the keys may have. */
  readonly onlyAlg?: string | undefined;
  /** Keys beyond this many are not looked at. */
  readonly maxKeys: number;
  /** Takes the private halves, for a command that was asked for them. Without it they are never kept. */
  readonly privates?: PrivateHalves;
}

/** Who takes the private halves that a file holds. */
export interface PrivateHalves extends PrivateBlocks {
  /** Looks at one entry of a JWK or JWK Set; one without private members is not an error. */
  addJwk(entry: unknown): void;
}

/**
 * Reads the public keys of a file in any of the forms people keep them in: JWK, JWK Set, PEM (SPKI, PKCS#1,
 * certificate, or a private key, of which only the public half is taken), OpenSSH `.pub`.
 *
 * Yields after each key so that the caller can let other work run. A file that holds no key is not an exception but a
 * result without keys, whose first rejection says what to do.
 */
export function* parseKeyFile(bytes: Uint8Array, options: KeyFileOptions): Generator<void, ParsedSet, void> {
  const parsed = yield* parseText(bytes, options);
  const warnings = parsed.warnings.map((warning) =>
    warning.code === 'private_material'
      ? {
          ...warning,
          detail: `${options.name} ${warning.detail}; move it to where only the signer can read it`,
        }
      : warning,
  );
  return { ...parsed, warnings };
}

const fileOrigin = ({ rsaAlg, onlyAlg }: KeyFileOptions) => ({ origin: 'file', rsaAlg, onlyAlg }) as const;

function* parseText(bytes: Uint8Array, options: KeyFileOptions): Generator<void, ParsedSet, void> {
  const text = decodeText(bytes);
  if (text === undefined) return unreadable(notText(bytes));
  const start = /\S/.exec(text)?.[0];
  if (start === undefined) return unreadable('the file is empty');
  if (start === '{') return yield* parseJsonFile(text, options);
  if (start === '[') return unreadable('a JSON array is not a JWK Set: wrap it as {"keys": […]}');
  if (text.includes('-----BEGIN ')) return yield* parsePem(text, options);
  if (text.split('\n', 50).some((line) => looksLikeSsh(line))) return yield* parseSsh(text, options);
  return unreadable('neither a JWK, a JWK Set, a PEM nor an OpenSSH public key');
}

function unreadable(detail: string): ParsedSet {
  return {
    keys: [],
    rejected: [{ reason: 'malformed', detail }],
    rejectedCounts: { malformed: 1 },
    warnings: [],
  };
}

function notText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return 'the file is UTF-16: save it as UTF-8';
  }
  return first === 0x30
    ? 'a binary (DER) file is not read: convert it to PEM with openssl'
    : 'the file is not UTF-8 text';
}

function* parseJsonFile(text: string, options: KeyFileOptions): Generator<void, ParsedSet, void> {
  const json = yield* parseJsonInSteps(text);
  if (!json.ok) return unreadable(json.detail.replace('the body', 'the file'));
  const set = entriesOf(json.value);
  if (options.privates !== undefined) {
    for (const entry of set.ok ? set.entries : [json.value]) options.privates.addJwk(entry);
  }
  if (set.ok) return yield* admitEntries(set.entries, { ...fileOrigin(options), maxKeys: options.maxKeys });
  if (Object.hasOwn(json.value as object, 'keys')) return unreadable(set.detail);
  if (!Object.hasOwn(json.value as object, 'kty')) {
    return unreadable('the JSON is neither a JWK (it has no "kty") nor a JWK Set (it has no "keys")');
  }
  const collector = new SetCollector(fileOrigin(options));
  collector.add(json.value);
  yield;
  return collector.finish();
}

/** A certificate whose chain may follow it in the file. */
interface PendingCertificate {
  readonly jwk: object;
  readonly chain: X509Certificate[];
  readonly index: number;
}

function* parsePem(text: string, options: KeyFileOptions): Generator<void, ParsedSet, void> {
  const collector = new SetCollector(fileOrigin(options));
  let pending: PendingCertificate | undefined;
  const flush = (): void => {
    if (pending === undefined) return;
    const x5c = pending.chain.map((certificate) => certificate.raw.toString('base64'));
    collector.add({ ...pending.jwk, x5c }, pending.index);
    pending = undefined;
  };
  let index = 0;
  let beyond = 0;
  for (const block of pemBlocks(text)) {
    if (index >= options.maxKeys) {
      beyond += 1;
      continue;
    }
    const content = readPemBlock(block, options.privates);
    if (content.kind === 'certificate' && pending && continues(pending.chain, content.certificate)) {
      if (pending.chain.length < longestChain) pending.chain.push(content.certificate);
    } else if (content.kind !== 'skip') {
      flush();
      if (content.kind === 'certificate') pending = { jwk: content.jwk, chain: [content.certificate], index };
      else if (content.kind === 'refused') collector.reject({ ...content.refusal, index });
      else {
        collector.add(content.jwk, index);
        if (content.isPrivate) collector.warn(privateHalfWarning);
      }
      index += 1;
    }
    yield;
  }
  flush();
  collector.overLimit(beyond, options.maxKeys, index);
  if (index === 0) return unreadable('the file holds no key block');
  return collector.finish();
}

/**
 * Whether a certificate issued the last one of the chain: then it belongs to the same key. Publishing it as a key of
 * its own would let a certificate authority sign tokens.
 */
function continues(chain: readonly X509Certificate[], next: X509Certificate): boolean {
  const last = chain.at(-1);
  if (last === undefined || last.raw.equals(next.raw)) return false;
  try {
    return last.checkIssued(next) && last.verify(next.publicKey);
  } catch {
    return false;
  }
}

function* parseSsh(text: string, options: KeyFileOptions): Generator<void, ParsedSet, void> {
  const collector = new SetCollector(fileOrigin(options));
  let index = 0;
  let beyond = 0;
  for (const [line] of text.matchAll(/[^\r\n]+/g)) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    if (index >= options.maxKeys) {
      beyond += 1;
      continue;
    }
    const key = looksLikeSsh(line)
      ? readSshKey(line)
      : ({ reason: 'malformed', detail: 'the line is not an OpenSSH public key' } as const);
    if ('jwk' in key) collector.add(key.jwk, index);
    else collector.reject({ ...key, index });
    index += 1;
    yield;
  }
  collector.overLimit(beyond, options.maxKeys, index);
  return collector.finish();
}
