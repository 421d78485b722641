/** JSON for a terminal: what could move the cursor or turn the writing round is spelled as JSON spells it. */
export const printable = (value: unknown): string =>
  JSON.stringify(value, undefined, 2).replaceAll(/[^\P{C}\n]|[\p{Zl}\p{Zp}]/gu, (character) =>
    // One escape per UTF-16 unit, as RFC 8259 §7 has it.
    Array.from({ length: character.length }, (_, at) => escapeUnit(character.charCodeAt(at))).join(''),
  );

const escapeUnit = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`;
