import { admitJwk, privateMembers } from '../../jwk/admit.ts';
import { excerpt } from '../../jwk/excerpt.ts';
import { decodeText, parseJson } from '../../jwk/json.ts';
import { withoutComments } from '../../jwk/json-comments.ts';
import type { Key, Rejection } from '../../jwk/key.ts';
import type { KeyVerdict } from './judgement.ts';

/** One entry of a JWK Set as it was sent, beside the key behind it. */
export interface Entry {
  readonly index: number;
  /** `kid`, else the position: for people. */
  readonly label: string;
  /** Undefined for an entry that is not an object. */
  readonly members: Readonly<Record<string, unknown>> | undefined;
  readonly kid: string | undefined;
  readonly kty: string | undefined;
  readonly alg: string | undefined;
  /** The public half, whatever else is wrong beside it. */
  readonly key: Key | undefined;
  /** Why there is no key. */
  readonly rejection: Rejection | undefined;
  /** `alg` is not one for this key. */
  readonly contradictory: boolean;
  readonly isPrivate: boolean;
}

/** The set as a client's JSON parser leaves it, or why there is none. */
export type ReadSet =
  | {
      readonly ok: true;
      readonly document: Readonly<Record<string, unknown>>;
      readonly entries: readonly Entry[];
    }
  | {
      readonly ok: false;
      readonly code: 'not-utf8' | 'byte-order-mark' | 'comment' | 'html' | 'not-json' | 'keys-missing';
      readonly detail: string;
      /** Entries that stand there all the same, to say what is lost. */
      readonly entries: readonly Entry[];
    };

/** Reads a set as strictly as the clients do; a byte order mark is forgiven where the client forgives it. */
export const readSet = (body: Buffer, options: { readonly byteOrderMark: boolean }): ReadSet => {
  const text = decodeText(body);
  if (text === undefined)
    return { ok: false, code: 'not-utf8', detail: 'the answer is not UTF-8', entries: [] };
  const plain = parseJson(text);
  if (!plain.ok) {
    const bare = withoutComments(text);
    const repaired = bare === undefined ? plain : parseJson(bare);
    if (repaired.ok) {
      const detail = 'the answer has comments, which JSON does not know';
      return { ok: false, code: 'comment', detail, entries: entriesIn(repaired.value) ?? [] };
    }
    const detail = plain.detail.replace('the body', 'the answer');
    return { ok: false, code: plain.code === 'html' ? 'html' : 'not-json', detail, entries: [] };
  }
  const entries = entriesIn(plain.value);
  if (entries === undefined) {
    const detail = 'the answer is not an object with an array "keys"';
    return { ok: false, code: 'keys-missing', detail, entries: [] };
  }
  if (!options.byteOrderMark && body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) {
    return {
      ok: false,
      code: 'byte-order-mark',
      detail: 'the answer begins with a byte order mark',
      entries,
    };
  }
  return { ok: true, document: plain.value as Readonly<Record<string, unknown>>, entries };
};

const entriesIn = (value: unknown): readonly Entry[] | undefined => {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'keys')) return undefined;
  const { keys } = value as { keys: unknown };
  return Array.isArray(keys) ? (keys as unknown[]).map(readEntry) : undefined;
};

const readEntry = (value: unknown, index: number): Entry => {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const members = isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  const textOf = (name: string): string | undefined => {
    const member = members !== undefined && Object.hasOwn(members, name) ? members[name] : undefined;
    return typeof member === 'string' ? member : undefined;
  };
  const kid = textOf('kid');
  const secrets = privateMembers.filter((name) => members !== undefined && Object.hasOwn(members, name));
  const half = Object.fromEntries(
    Object.entries(members ?? {}).filter(([name]) => !secrets.some((secret) => secret === name)),
  );
  const admission = admitJwk(members === undefined ? value : half, { origin: 'upstream' });
  const withoutAlg = admission.ok ? admission : admitJwk({ ...half, alg: undefined }, { origin: 'upstream' });
  return {
    index,
    label: excerpt(kid) ?? `#${index + 1}`,
    members,
    kid,
    kty: textOf('kty'),
    alg: textOf('alg'),
    key: withoutAlg.ok ? withoutAlg.key : undefined,
    rejection: withoutAlg.ok || admission.ok ? undefined : admission.rejection,
    contradictory: !admission.ok && withoutAlg.ok,
    isPrivate: secrets.length > 0,
  };
};

/** A verdict on an entry with nothing against it. */
export const taken = ({ label, kid, kty, alg, key }: Entry): KeyVerdict => ({
  label,
  kid,
  kty,
  alg,
  taken: true,
  key,
});

/** The name a JWK gives its curve, or its type where it has none: what tells the keys of one `kty` apart. */
export const curveOrType = (entry: Entry): string | undefined => {
  const crv = entry.members?.['crv'];
  return typeof crv === 'string' && entry.kty !== 'RSA' ? crv : entry.kty;
};

/** Whether a member is there, null included. */
export const has = (entry: Entry, name: string): boolean =>
  entry.members !== undefined && Object.hasOwn(entry.members, name);
