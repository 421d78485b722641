/** JSON for a terminal: what could move the cursor or turn the writing round is spelled as JSON spells it. */
export const printable = (value: unknown): string =>
  JSON.stringify(value, undefined, 2).replaceAll(/[^\P{C}\n]|[\p{Zl}\p{Zp}]/gu, (character) =>
    // One escape per UTF-16 unit, as RFC 8259 §7 has it.
    Array.from({ length: character.length }, (_, at) => escapeUnit(character.charCodeAt(at))).join(''),
  );

const escapeUnit = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`;

/** Foreign text for a terminal: nothing that could move the cursor, turn the writing round or hide; lines stay lines. */
export const masked = (text: string): string =>
  text.replaceAll(/[^\P{Cc}\n]|[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '\u{FFFD}');
