/** Why bytes are not the JSON asked for; the codes are those of a failed refresh. */
export interface Undecodable {
  readonly ok: false;
  readonly code: 'not_utf8' | 'html' | 'not_json' | 'not_jwks';
  /** A sentence for people; holds nothing of the body. */
  readonly detail: string;
  /** Where the JSON ends being any, in characters, as far as the parser tells. */
  readonly position?: number;
  /** It was not read, because it nests deeper than 64; absent otherwise. */
  readonly tooDeep?: true;
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

/** A JWK Set nests four deep; half a million brackets make the parser hold the event loop for a tenth of a second. */
const deepest = 64;

/** Where the string that begins at `start` ends: found by searching, because nearly all of a set is long strings. */
const endOfString = (text: string, start: number): number => {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === 0x5c /* \ */) before -= 1;
    // An even number of backslashes escapes itself and not the quotation mark.
    if ((end - before) % 2 === 1) return end;
  }
  return text.length;
};

/** Whether brackets nest deeper than any key needs; a text that is not JSON may answer either way. */
const isTooDeep = (text: string): boolean => {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === 0x22 /* " */) {
      at = endOfString(text, at);
    } else if (char === 0x5b /* [ */ || char === 0x7b /* { */) {
      depth += 1;
      if (depth > deepest) return true;
    } else if (char === 0x5d /* ] */ || char === 0x7d /* } */) {
      depth -= 1;
    }
  }
  return false;
};

const tooDeep: Undecodable = {
  ok: false,
  code: 'not_json',
  tooDeep: true,
  detail: `the body nests deeper than ${deepest}`,
};

/** Reads a JSON text without throwing; one that nests deeper than 64 is not read. */
export const parseJson = (text: string): DecodedJson => (isTooDeep(text) ? tooDeep : parseShallow(text));

/** The same for a long text: yields before it is parsed, because that is the longest stretch of all. */
export function* parseJsonInSteps(text: string): Generator<void, DecodedJson, void> {
  yield;
  if (isTooDeep(text)) return tooDeep;
  yield;
  const json = parseShallow(text);
  yield;
  return json;
}

const parseShallow = (text: string): DecodedJson => {
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch (error) {
    if (/^\s*</.test(text)) return { ok: false, code: 'html', detail: 'the body is HTML or XML, not JSON' };
    // The message itself quotes the body; only the position may leave.
    const digits = error instanceof SyntaxError ? /position (\d+)/.exec(error.message)?.[1] : undefined;
    if (digits === undefined) return { ok: false, code: 'not_json', detail: 'the body is not JSON' };
    const detail = `the body is not JSON (position ${digits})`;
    return { ok: false, code: 'not_json', detail, position: Number(digits) };
  }
};

/** Whether the next character that is not white space is a colon. */
const colonFollows = (text: string, from: number): boolean => {
  let at = from;
  let char = text.charCodeAt(at);
  while (char === 0x20 || (char >= 0x09 && char <= 0x0d)) {
    at += 1;
    char = text.charCodeAt(at);
  }
  return char === 0x3a;
};

/**
 * Whether an object anywhere in a valid JSON text has two members of one name, however the name is escaped.
 *
 * `JSON.parse` keeps the last one, other parsers the first: such a text says two things (RFC 8259 §4).
 */
export const repeatsMember = (text: string): boolean => {
  const open: Set<unknown>[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === 0x22 /* " */) {
      const end = endOfString(text, at);
      // Only a name is followed by a colon, and the innermost bracket is then its object's.
      if (colonFollows(text, end + 1)) {
        const raw = text.slice(at + 1, end);
        const name: unknown = raw.includes('\\') ? JSON.parse(`"${raw}"`) : raw;
        const names = open.at(-1);
        if (names?.has(name) === true) return true;
        names?.add(name);
      }
      at = end;
    } else if (char === 0x5b /* [ */ || char === 0x7b /* { */) {
      open.push(new Set());
    } else if (char === 0x5d /* ] */ || char === 0x7d /* } */) {
      open.pop();
    }
  }
  return false;
};
