import { JwksdError } from '../../errors.ts';
import { parseDuration, parseSize } from '../durations.ts';

/** A value whose text has passed its pattern. */
export const exact = (value: number | undefined): number => {
  if (value === undefined)
    throw new JwksdError('internal', 'a duration or size passed its pattern but cannot be read');
  return value;
};

/** Milliseconds of a duration as written. */
export const milliseconds = (text: string): number => exact(parseDuration(text));

/** Bytes of a size as written. */
export const bytes = (text: string): number => exact(parseSize(text));

/** A URL to which a path can be added. */
export const withoutSlash = (url: string): string => url.replace(/\/+$/, '');
