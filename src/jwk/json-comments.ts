/**
 * The same JSON text with comments replaced by a space; undefined when there are none.
 *
 * RFC 8259 has no comments, yet some editors and YAML-minded people add them, and then every client refuses the set.
 */
export const withoutComments = (text: string): string | undefined => {
  const kept: string[] = [];
  let from = 0;
  let at = 0;
  while (at < text.length) {
    const two = text.slice(at, at + 2);
    if (text[at] === '"') {
      at = endOfString(text, at);
    } else if (two === '//' || two === '/*') {
      kept.push(text.slice(from, at));
      at = two === '//' ? endOf(text, '\n', at) : endOf(text, '*/', at + 2);
      from = at;
    } else {
      at += 1;
    }
  }
  return kept.length === 0 ? undefined : [...kept, text.slice(from)].join(' ');
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
