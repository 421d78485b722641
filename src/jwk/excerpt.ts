/** Cuts a foreign value to what may stand in a log line: 64 characters, nothing that could break the line or hide in it. */
export const excerpt = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== ''
    ? value.slice(0, 64).replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '\u{FFFD}')
    : undefined;
