/** A content coding a document is offered in. */
export type Coding = 'identity' | 'gzip' | 'br';

/** The weights of a header such as `Accept` by lower-case name (RFC 9110 §12.4.2); a weight that is no number counts as 0. */
const parseWeights = (header: string): ReadonlyMap<string, number> => {
  const found = new Map<string, number>();
  for (const element of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = element.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    if (name !== '') found.set(name, weight === undefined ? 1 : Number(weight) || 0);
  }
  return found;
};

/** How many headers are remembered, and how long they may be: clients send few spellings, and made-up ones gain nothing. */
const remembered = { most: 256, longest: 256 };

const known = new Map<string, ReadonlyMap<string, number>>();

/** {@link parseWeights}, from memory where the same header came before: it would be the dearest part of an answer. */
const weights = (header: string): ReadonlyMap<string, number> => {
  const before = known.get(header);
  if (before !== undefined) return before;
  const found = parseWeights(header);
  if (known.size < remembered.most && header.length <= remembered.longest) known.set(header, found);
  return found;
};

/** The weight `Accept` gives a media type: the most specific range decides (RFC 9110 §12.5.1). */
const weightOf = (ranges: ReadonlyMap<string, number>, mediaType: string): number =>
  ranges.get(mediaType) ?? ranges.get(`${mediaType.split('/', 1)[0]}/*`) ?? ranges.get('*/*') ?? 0;

/**
 * Whether `Accept` names `wanted` and likes it no less than `usual`.
 *
 * A range such as `*\/*` names nothing, so whoever is content with anything gets the usual type. Never a reason for a
 * 406: Java sends `text/html, image/gif, image/jpeg, *; q=.2, *\/*; q=.2` and means no harm.
 */
export const prefers = (accept: string | undefined, wanted: string, usual: string): boolean => {
  if (accept === undefined || accept === '*/*') return false;
  const ranges = weights(accept);
  const weight = ranges.get(wanted) ?? 0;
  return weight > 0 && weight >= weightOf(ranges, usual);
};

/**
 * The coding to answer in, out of those there is a copy of.
 *
 * A copy is sent only to clients that name its coding, or that refuse identity and take anything else. When nothing on
 * offer is acceptable the answer is identity, not 406 (RFC 9110 §12.5.3 allows it).
 */
export const chooseCoding = (
  acceptEncoding: string | undefined,
  copies: { readonly gzip?: unknown; readonly br?: unknown },
): Coding => {
  if (acceptEncoding === undefined || acceptEncoding === 'identity') return 'identity';
  const asked = weights(acceptEncoding);
  const anything = asked.get('*');
  const identity = asked.get('identity');
  const unnamed = (identity ?? anything) === 0 ? (anything ?? 0) : 0;
  const offers = [
    ['br', copies.br, asked.get('br')],
    ['gzip', copies.gzip, asked.get('gzip') ?? asked.get('x-gzip')],
  ] as const;
  let best: Coding = 'identity';
  let bestWeight = identity ?? 0;
  for (const [coding, copy, named] of offers) {
    const weight = named ?? unnamed;
    const better = best === 'identity' ? weight >= bestWeight : weight > bestWeight;
    if (copy !== undefined && weight > 0 && better) {
      best = coding;
      bestWeight = weight;
    }
  }
  return best;
};
