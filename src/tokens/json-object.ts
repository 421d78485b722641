import { decodeText, parseJson, repeatsMember } from '../jwk/json.ts';

/** The members of a header or a payload; it has no prototype, so a name that is absent is undefined, whatever the name. */
export type Members = Readonly<Record<string, unknown>>;

/** What the bytes of a header or a payload are. */
export type ReadObject =
  | { readonly ok: true; readonly members: Members }
  | {
      readonly ok: false;
      /**
       * `other`: UTF-8 text that is not a JSON object, or no text at all; `repeated`: a member stands there twice; `deep`:
       * it nests deeper than 64.
       */
      readonly reason: 'other' | 'repeated' | 'deep';
    };

/** Whether a JSON value is an object. */
export const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const other: ReadObject = { ok: false, reason: 'other' };

/**
 * Reads a JOSE header or a claims set: one JSON object in UTF-8, every member named once (RFC 7515 §4, RFC 7519 §4).
 *
 * Never throws. A text that nests deeper than 64 is not read, nor one with a byte order mark.
 */
export const readObject = (bytes: Uint8Array): ReadObject => {
  if (bytes[0] === 0xef) return other;
  const text = decodeText(bytes);
  const json = text === undefined ? undefined : parseJson(text);
  if (json?.ok === false && json.tooDeep === true) return { ok: false, reason: 'deep' };
  if (text === undefined || json?.ok !== true) return other;
  const { value } = json;
  if (!isMembers(value)) return other;
  if (repeatsMember(text)) return { ok: false, reason: 'repeated' };
  const members = Object.assign(Object.create(null) as Record<string, unknown>, value);
  return { ok: true, members };
};
