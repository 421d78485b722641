/** The middle value; the upper one of an even number. */
export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** A number with `digits` decimals, or a dash. */
export const shown = (value: number, digits = 0): string =>
  Number.isFinite(value)
    ? value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    : '-';

/** The lowest and the highest value, to show how noisy a figure is. */
export const range = (values: readonly number[], digits = 0): string =>
  `${shown(Math.min(...values), digits)} to ${shown(Math.max(...values), digits)}`;

/** Prints lines. */
export const print = (...lines: readonly string[]): void => {
  process.stdout.write(`${lines.join('\n')}\n`);
};

/** Prints a table that can be pasted into docs/performance.md. */
export const printTable = (head: readonly string[], rows: readonly (readonly string[])[]): void => {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  print('', line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map((row) => line(row)), '');
};

/** `met` or `MISSED`. */
export const verdict = (met: boolean): string => (met ? 'met' : 'MISSED');
