import type { Io } from './command.ts';

/** What a piece of text is, which decides its colour. */
export type Tone = 'error' | 'warning' | 'good' | 'strong' | 'quiet';

/** Select Graphic Rendition (ECMA-48 §8.3.117): what begins and what ends each tone. */
const codes: Readonly<Record<Tone, readonly [on: number, off: number]>> = {
  error: [31, 39],
  warning: [33, 39],
  good: [32, 39],
  strong: [1, 22],
  quiet: [2, 22],
};

/**
 * Colours text for one of the streams, or leaves it as it is: only a terminal gets colours, and none under `NO_COLOR`
 * (no-color.org: set and not empty) or `TERM=dumb`.
 */
export const styled = (
  { env, ...streams }: Pick<Io, 'env' | 'stdout' | 'stderr'>,
  stream: 'stdout' | 'stderr',
): ((tone: Tone, text: string) => string) => {
  const plain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb' || streams[stream].isTTY !== true;
  if (plain) return (_tone, text) => text;
  return (tone, text) => {
    const [on, off] = codes[tone];
    return `\u001B[${on}m${text}\u001B[${off}m`;
  };
};
