/** Why bytes are not the JSON asked for; the codes are those of a failed refresh. */
export interface Undecodable {
  readonly ok: false;
  readonly code: 'not_utf8' | 'html' | 'not_json' | 'not_jwks';
  /** A sentence for people; holds nothing of the body. */
  readonly detail: string;
}

/** A JSON text that came as bytes. */
export type DecodedJson = { readonly ok: true; readonly value: unknown } | Undecodable;

/** Reads UTF-8, one byte order mark tolerated and removed (RFC 8259 §8.1); undefined when it is not UTF-8. */
export const decodeText = (body: Uint8Array): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return undefined;
  }
};

/** Reads a JSON text, however deep, without throwing. */
export const parseJson = (text: string): DecodedJson => {
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch (error) {
    if (/^\s*</.test(text)) return { ok: false, code: 'html', detail: 'the body is HTML or XML, not JSON' };
    // The message itself quotes the body; only the position may leave.
    const position = error instanceof SyntaxError ? /position \d+/.exec(error.message)?.[0] : undefined;
    const where = position === undefined ? '' : ` (${position})`;
    return { ok: false, code: 'not_json', detail: `the body is not JSON${where}` };
  }
};
