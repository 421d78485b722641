import { admitJwk, privateMembers } from './admit.ts';
import { excerpt } from './excerpt.ts';
import { firstComment, withoutComments } from './json-comments.ts';
import { decodeText, parseJson } from './json.ts';
import type { Key, Rejection, RejectReason } from './key.ts';
import { clientsOf, Findings, type Finding, type LintProfile } from './findings.ts';
import type { Client, LintCode } from './lint-rules.ts';
import { opencastLimit } from './opencast-limit.ts';
import { entriesOf } from './parse-set.ts';

export type { Finding } from './findings.ts';

/** How a document is judged. */
export interface LintOptions {
  /** The profile whose clients read the set; without one it is judged for all known clients. */
  readonly profile?: LintProfile | undefined;
  /** The clients it is judged for, instead of those of a profile. */
  readonly clients?: readonly Client[] | undefined;
  /** An earlier copy of the set: a kid that stood for another key there is told. Nothing else in it is judged. */
  readonly previous?: Uint8Array | undefined;
}

type Entry = Readonly<Record<string, unknown>>;

/**
 * Judges a JWK Set as it was sent: what is wrong with the text, with each key, and with all of them together.
 *
 * Reads on behind what it finds, as far as that makes sense: a byte order mark or a comment is one finding, and the
 * keys are judged all the same. Errors come first. What only the transport shows (caching headers, redirects, time) is
 * not judged here.
 */
export const lintSet = (document: Uint8Array, options: LintOptions = {}): readonly Finding[] => {
  const { profile, previous } = options;
  const findings = new Findings(options.clients ?? (profile && clientsOf[profile]));
  const value = readDocument(document, findings);
  const known = previous === undefined ? undefined : readDocument(previous, new Findings());
  if (value !== undefined) lintDocument(value.json, findings, thumbprints(known?.json));
  if (document.length >= opencastLimit) {
    findings.add('too-large', `${document.length} bytes; Opencast 19 reads fewer than ${opencastLimit}`);
  }
  return findings.finish();
};

function readDocument(document: Uint8Array, findings: Findings): { readonly json: unknown } | undefined {
  const text = decodeText(document);
  if (text === undefined) {
    findings.add('not-utf8', 'the document is not UTF-8');
    return undefined;
  }
  if (document[0] === 0xef && document[1] === 0xbb && document[2] === 0xbf) {
    findings.add(
      'byte-order-mark',
      'the document begins with a byte order mark; most JSON parsers refuse it',
      { offset: 0 },
    );
  }
  const plain = parseJson(text);
  if (plain.ok) return { json: plain.value };
  const bare = withoutComments(text);
  const repaired = bare === undefined ? plain : parseJson(bare);
  if (repaired.ok) {
    findings.add('comment', 'the document has comments, which JSON does not know', {
      offset: firstComment(text),
    });
    return { json: repaired.value };
  }
  const { code, detail, position } = plain;
  findings.add(
    code === 'html' ? 'html' : 'not-json',
    detail.replace('the body', 'the document'),
    position === undefined ? {} : { offset: position },
  );
  return undefined;
}

/** The thumbprints of a set by the kid they go under. */
function thumbprints(document: unknown): ReadonlyMap<string, ReadonlySet<string>> {
  const known = new Map<string, Set<string>>();
  const set = entriesOf(document);
  for (const entry of set.ok ? set.entries : []) {
    const admission = admitJwk(withoutSecrets(entry), { origin: 'upstream' });
    const kid = admission.ok ? admission.key.jwk.kid : undefined;
    if (!admission.ok || kid === undefined) continue;
    known.set(kid, (known.get(kid) ?? new Set()).add(admission.key.thumbprint));
  }
  return known;
}

/** An entry whose private half does not hide the public one. */
function withoutSecrets(entry: unknown): unknown {
  if (typeof entry !== 'object' || entry === null) return entry;
  const secret: ReadonlySet<string> = new Set(privateMembers);
  return Object.fromEntries(Object.entries(entry).filter(([name]) => !secret.has(name)));
}

type Known = ReadonlyMap<string, ReadonlySet<string>>;

function lintDocument(document: unknown, findings: Findings, known: Known): void {
  const set = entriesOf(document);
  if (!set.ok) {
    findings.add('keys-missing', set.detail);
    return;
  }
  for (const [name, member] of Object.entries(document as object)) {
    if (name !== 'keys' && (typeof member === 'number' || (typeof member === 'object' && member !== null))) {
      const detail = `the member ${JSON.stringify(excerpt(name) ?? '')} beside "keys" ends Prosody's refreshing`;
      findings.add('foreign-member', detail);
    }
  }
  if (set.entries.length === 0) findings.add('empty-set', 'the set has no keys');
  lintKeys(set.entries, findings, known);
}

function lintKeys(entries: readonly unknown[], findings: Findings, known: Known): void {
  const names = new Map<string, number>();
  const types = new Set<string>();
  let named = 0;
  let foreign = 0;
  for (const [index, entry] of entries.entries()) {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
      findings.add('malformed-key', 'an entry is not a JSON object', { index });
      continue;
    }
    const members = entry as Entry;
    const key = lintKey(members, index, findings);
    const { kid, kty } = members;
    if (typeof kty === 'string') {
      types.add(kty);
      if (typeof kid === 'string') {
        const name = JSON.stringify([kty, kid]);
        names.set(name, (names.get(name) ?? 0) + 1);
        if (names.get(name) === 2) {
          findings.add('duplicate-kid', 'several keys of one kty have this kid', about(kid, index));
        }
      }
    }
    if (key?.jwk.kid !== undefined) {
      const before = known.get(key.jwk.kid);
      if (before?.has(key.thumbprint) === false) {
        findings.add('kid-reused', 'this kid stood for another key before', about(kid, index));
      }
      named += 1;
      if (key.jwk.kid !== key.thumbprint) foreign += 1;
    }
  }
  if (types.size > 1) findings.add('mixed-kty', 'keys of several kty: Opencast 19 fails on the whole set');
  if (foreign > 0) {
    const detail = `${foreign} of ${named} kids are not the thumbprint of their key, so a kid can be reused by mistake`;
    findings.add('kid-not-thumbprint', detail);
  }
}

/** Names a key in a finding. */
function about(kid: unknown, index: number): { readonly kid?: string; readonly index: number } {
  const shown = excerpt(kid);
  return shown === undefined ? { index } : { kid: shown, index };
}

/** Judges one entry; gives the key behind it when there is one, whatever is wrong beside it. */
function lintKey(entry: Entry, index: number, findings: Findings): Key | undefined {
  const where = about(Object.hasOwn(entry, 'kid') ? entry['kid'] : undefined, index);
  const add = (code: LintCode, detail: string): void => findings.add(code, detail, where);
  const nulls = Object.keys(entry).filter((name) => entry[name] === null);
  if (nulls.length > 0)
    add('null-member', `null instead of a value: ${nulls.slice(0, 8).map(quote).join(', ')}`);
  if (entry['kty'] === 'oct') {
    add('symmetric-key', 'a symmetric key is a shared secret and must never be published');
    return undefined;
  }
  const secrets = privateMembers.filter((name) => Object.hasOwn(entry, name));
  if (secrets.length > 0)
    add('private-members', `the private key is published: ${secrets.map(quote).join(', ')}`);
  const key = admitPublicHalf(entry, secrets, add);
  if (key !== undefined) lintForClients(key, entry['alg'] ?? undefined, add);
  return key;
}

const quote = (name: string): string => JSON.stringify(excerpt(name) ?? '');

function admitPublicHalf(
  entry: Entry,
  secrets: readonly string[],
  add: (code: LintCode, detail: string) => void,
): Key | undefined {
  const half = Object.fromEntries(Object.entries(entry).filter(([name]) => !secrets.includes(name)));
  const admission = admitJwk(half, { origin: 'upstream' });
  if (admission.ok) {
    for (const { code, detail } of admission.warnings) {
      add(code === 'bad_kid' ? 'bad-kid' : 'certificate-mismatch', detail);
    }
    return admission.key;
  }
  const { rejection } = admission;
  const withoutAlg = admitJwk({ ...half, alg: undefined }, { origin: 'upstream' });
  if (withoutAlg.ok) add('alg-mismatch', rejection.detail);
  else add(codeOf(rejection), rejection.detail);
  return withoutAlg.ok ? withoutAlg.key : undefined;
}

const codes: Readonly<Record<RejectReason, LintCode>> = {
  private_material: 'private-members',
  unsupported_kty: 'unsupported-kty',
  unsupported_crv: 'unsupported-crv',
  weak_key: 'weak-key',
  oversize_key: 'rsa-too-large',
  malformed: 'malformed-key',
  bad_kid: 'bad-kid',
  over_limit: 'malformed-key',
  wrong_alg: 'malformed-key',
};

/** Short RSA keys are common and slowly replaced; the other weak ones were made to deceive. */
function codeOf({ reason, detail }: Rejection): LintCode {
  return reason === 'weak_key' && /^RSA with \d/.test(detail) ? 'rsa-too-small' : codes[reason];
}

/** `alg` is that of the entry, also when it was set aside to reach the key. */
function lintForClients({ jwk }: Key, alg: unknown, add: (code: LintCode, detail: string) => void): void {
  const { kty, kid, crv, x, y } = jwk;
  if (kty === 'AKP') add('akp-key', 'a key of type AKP makes several libraries refuse the whole set');
  if (kty !== 'RSA') add('not-rsa', 'Jitsi verifies with RSA keys only');
  if (kid === undefined) add('kid-missing', 'Jitsi finds keys by their kid only');
  if (alg === undefined) add('alg-missing', 'Opencast up to 18 needs alg');
  if (alg === 'Ed25519') add('alg-ed25519', 'Octoka knows this algorithm as EdDSA only');
  if (kty === 'EC' && [x, y].some((coordinate) => hasTopBit(coordinate))) {
    add('top-bit', `x or y begins with a set bit: Opencast up to 18 on newer Java rejects this ${crv} key`);
  }
}

/** Whether a coordinate begins with a set bit, which Opencast up to 18 on newer Java does not survive. */
export function hasTopBit(coordinate: string | undefined): boolean {
  return ((Buffer.from((coordinate ?? '').slice(0, 4), 'base64url')[0] ?? 0) & 0x80) !== 0;
}
