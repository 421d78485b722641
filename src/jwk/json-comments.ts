/**
 * The same JSON text with comments replaced by a space; undefined when there are none.
 *
 * RFC 8259 has no comments, yet some editors and YAML-minded people add them, and then every client refuses the set.
 */
export const withoutComments = (text: string): string | undefined => {
  const kept: string[] = [];
  let from = 0;
  for (const { start, end } of comments(text)) {
    kept.push(text.slice(from, start));
    from = end;
  }
  return kept.length === 0 ? undefined : [...kept, text.slice(from)].join(' ');
};

/** Where the first comment begins, in characters; 0 when there is none. */
export const firstComment = (text: string): number => {
  for (const { start } of comments(text)) return start;
  return 0;
};

/** Where comments are. */
function* comments(text: string): Generator<{ readonly start: number; readonly end: number }, void, void> {
  let at = 0;
  while (at < text.length) {
    const end = endOfToken(text, at);
    if (text[at] === '/' && end > at + 1) yield { start: at, end };
    at = end;
  }
}

/** Where the string or the comment that begins at `at` ends; for any other character the one behind it. */
export const endOfToken = (text: string, at: number): number => {
  if (text[at] === '"') return endOfString(text, at);
  if (text[at] === '/' && text[at + 1] === '/') return endOf(text, '\n', at);
  if (text[at] === '/' && text[at + 1] === '*') return endOf(text, '*/', at + 2);
  return at + 1;
};

function endOf(text: string, mark: string, from: number): number {
  const found = text.indexOf(mark, from);
  return found === -1 ? text.length : found + mark.length;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
