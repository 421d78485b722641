import type { Finding } from './findings.ts';
import { endOfToken } from './json-comments.ts';
import { decodeText } from './json.ts';

/** A place in a text, both counted from 1; columns in UTF-16 code units. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Says where in the document a finding is: at the key it is about, or where the text is wrong; undefined where neither is known. */
export const placesOf = (document: Uint8Array): ((finding: Finding) => Place | undefined) => {
  const text = decodeText(document) ?? '';
  const entries = entryOffsets(text);
  const lines = lineStarts(text);
  return ({ index, offset }) => {
    const at = offset ?? (index === undefined ? undefined : entries[index]);
    if (at === undefined || at > text.length) return undefined;
    let line = 0;
    for (let beyond = lines.length; line + 1 < beyond;) {
      const middle = (line + beyond) >> 1;
      if ((lines[middle] ?? 0) <= at) line = middle;
      else beyond = middle;
    }
    return { line: line + 1, column: at - (lines[line] ?? 0) + 1 };
  };
};

const lineStarts = (text: string): readonly number[] => {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
};

const isBlank = (char: string): boolean => char === ' ' || char === '\n' || char === '\r' || char === '\t';

/** Where each entry of the member `keys` begins. The last member of that name counts, as it does for JSON.parse. */
const entryOffsets = (text: string): readonly number[] => {
  let offsets: number[] = [];
  let depth = 0;
  // The last string at depth 1, then the colon behind it: together the name of the member whose value comes.
  let name = '';
  let named = false;
  let inKeys = false;
  let expected = false;
  for (let at = 0; at < text.length;) {
    const char = text[at] ?? '';
    const end = endOfToken(text, at);
    const skipped = isBlank(char) || (char === '/' && end > at + 1);
    if (expected && !skipped && char !== ']') {
      offsets.push(at);
      expected = false;
    }
    if (char === '"') {
      if (depth === 1 && !named) name = text.slice(at, end);
    } else if (char === ':') {
      if (depth === 1) named = true;
    } else if (char === '{' || char === '[') {
      depth += 1;
      if (depth === 2 && named && char === '[' && name === '"keys"') {
        offsets = [];
        inKeys = true;
        expected = true;
      }
    } else if (char === '}' || char === ']') {
      if (depth === 2) inKeys = false;
      depth -= 1;
      expected = false;
    } else if (char === ',') {
      if (depth === 1) named = false;
      expected = inKeys && depth === 2;
    }
    at = end;
  }
  return offsets;
};
