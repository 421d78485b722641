/** Edits (insert, delete, replace, swap two neighbours) that turn one text into the other. */
const distance = (left: string, right: string): number => {
  let above: number[] = [];
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const replace = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      const swap = swapped ? (above[j - 2] ?? 0) + 1 : Infinity;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replace, swap));
    }
    above = row;
    row = next;
  }
  return row[right.length] ?? 0;
};

const plain = (value: string): string => value.slice(0, 80).toLowerCase().replaceAll(/[_-]/g, '');

/** The candidate somebody probably meant; undefined when none is close. Case, `_` and `-` do not count. */
export const nearMiss = (text: string, candidates: Iterable<string>): string | undefined => {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = distance(plain(text), plain(candidate));
    if (edits < least) {
      best = candidate;
      least = edits;
    }
  }
  return best;
};

/** ` Did you mean "x"?`, or nothing: fit for the end of a message. */
export const didYouMean = (text: string, candidates: Iterable<string>): string => {
  const close = nearMiss(text, candidates);
  return close === undefined ? '' : ` Did you mean ${JSON.stringify(close)}?`;
};
