import { readObject, type Members } from './json-object.ts';

/** A JWS in its three parts, decoded; nothing of it is verified (RFC 7515 §3.1). */
export interface CompactJws {
  readonly header: Members;
  /** The header's `alg`; any string. */
  readonly alg: string;
  readonly payload: Buffer;
  readonly signature: Buffer;
  /** The bytes that are signed (RFC 7515 §5.1). */
  readonly signingInput: Buffer;
}

/** Why a text is not a compact JWS. */
export type JwsProblem = 'too_large' | 'not_compact' | 'malformed_header';

/** What a text is. */
export type ParsedJws =
  | { readonly ok: true; readonly jws: CompactJws }
  | {
      readonly ok: false;
      readonly problem: JwsProblem;
      /** A sentence for people; holds nothing of the text. */
      readonly detail: string;
    };

const refuse = (problem: JwsProblem, detail: string): ParsedJws => ({ ok: false, problem, detail });

/**
 * The bytes of base64url as RFC 7515 §2 writes it; undefined for padding, white space, other alphabets, and bits that
 * belong to no byte: one text for each value, so nobody can respell a signed one.
 */
const decodeStrict = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
};

const countProblem = (count: number): string => {
  if (count === 5) return 'it has five parts, so it is encrypted (JWE)';
  return `it has ${['no parts', 'one part', 'two parts', '', 'four parts'][count] ?? 'many parts'}, not three with a dot between them`;
};

const headerProblem = {
  other: 'its header is not a JSON object',
  repeated: 'a member of its header is repeated',
  deep: 'its header nests deeper than 64 levels',
} as const;

/**
 * Takes a compact JWS apart: three parts in strict base64url, the header a JSON object with an `alg`.
 *
 * Never throws. `limit` is the longest text in characters. The payload may be any bytes, and empty.
 */
export const parseCompactJws = (text: string, limit: number): ParsedJws => {
  if (text.length > limit) return refuse('too_large', `it is longer than ${limit} characters`);
  const parts = text.split('.', 6);
  const [first, second, third, ...more] = parts;
  if (first === undefined || second === undefined || third === undefined || more.length > 0) {
    return refuse('not_compact', countProblem(parts.length));
  }
  const [head, payload, signature] = [first, second, third].map(decodeStrict);
  if (head === undefined || payload === undefined || signature === undefined) {
    return refuse('not_compact', 'a part is not base64url without padding and white space');
  }
  const read = readObject(head);
  if (!read.ok) {
    return refuse('malformed_header', headerProblem[read.reason]);
  }
  const { alg } = read.members;
  if (typeof alg !== 'string') return refuse('malformed_header', 'its header has no alg');
  const signingInput = Buffer.from(`${first}.${second}`, 'latin1');
  return { ok: true, jws: { header: read.members, alg, payload, signature, signingInput } };
};
