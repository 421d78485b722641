/** Milliseconds of each unit a duration may have, largest first. */
const durationUnits = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

/** Bytes of each unit a size may have, largest first. */
const sizeUnits = [
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['B', 1],
] as const;

/**
 * What a duration looks like: a whole number and a unit, about 30 years at most.
 *
 * The number of digits is bounded per unit, so that every match is a safe integer of milliseconds.
 */
export const durationPattern = String.raw`^(?:\d{1,12}ms|\d{1,9}s|\d{1,7}m|\d{1,6}h|\d{1,4}d)$`;

/**
 * What a size looks like: a whole number and a unit of 1024, under 100 GiB.
 *
 * `KB` and `MB` are no units here: half of the readers take them for 1000, the other half for 1024.
 */
export const sizePattern = String.raw`^(?:\d{1,11}B|\d{1,8}KiB|\d{1,5}MiB|\d{1,2}GiB)$`;

const duration = new RegExp(durationPattern);
const size = new RegExp(sizePattern);

type Units = readonly (readonly [unit: string, factor: number])[];

const parse = (text: string, pattern: RegExp, units: Units): number | undefined => {
  if (!pattern.test(text)) return undefined;
  const unit = text.replace(/^\d+/, '');
  const factor = units.find(([name]) => name === unit)?.[1];
  return factor === undefined ? undefined : Number.parseInt(text, 10) * factor;
};

const format = (value: number, units: Units, zero: string): string => {
  if (value === 0) return zero;
  const [unit, factor] = units.find(([, each]) => value % each === 0) ?? ['', 1];
  return `${value / factor}${unit}`;
};

/** Milliseconds of a duration such as `500ms`, `30s`, `5m`, `24h` or `7d`; undefined when it is none. */
export const parseDuration = (text: string): number | undefined => parse(text, duration, durationUnits);

/** Bytes of a size such as `512B`, `16KiB`, `1MiB` or `1GiB`; undefined when it is none. */
export const parseSize = (text: string): number | undefined => parse(text, size, sizeUnits);

/** The shortest exact duration of a whole number of milliseconds: 300000 is `5m`, 61000 is `61s`. */
export const formatDuration = (milliseconds: number): string => format(milliseconds, durationUnits, '0s');

/** The shortest exact size of a whole number of bytes: 1048576 is `1MiB`. */
export const formatSize = (bytes: number): string => format(bytes, sizeUnits, '0B');
