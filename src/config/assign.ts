import { Check } from 'typebox/value';
import { variants, type SchemaNode } from './schema.ts';

/**
 * A text from the environment or a flag, as the value the schema wants there.
 *
 * `null`, `true`, `false` and numbers only where the schema takes them; a list is separated by commas. A text that fits
 * nothing stays a text, and validation says what it should have been.
 */
export const typed = (node: SchemaNode, text: string): unknown => {
  const choices = variants(node);
  const isA = (type: string): boolean => choices.some((choice) => choice.type === type);
  if (text === 'null' && isA('null')) return null;
  if (isA('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if (isA('integer') && /^-?\d+(?:\.\d+)?$/.test(text)) return Number(text);
  if (choices.some((choice) => choice.items === undefined && Check(choice, text))) return text;
  if (!isA('array')) return text;
  if (text === '[]') return [];
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
};

/** Whether the schema takes a text here, so that it may come from a file. */
export const isText = (node: SchemaNode): boolean =>
  variants(node).some((choice) => choice.type === 'string' || typeof choice.enum?.[0] === 'string');

/** The property of that name in any of the sections a value may be. */
export const property = (node: SchemaNode, key: string): SchemaNode | undefined => {
  for (const choice of variants(node)) {
    if (choice.properties !== undefined && Object.hasOwn(choice.properties, key))
      return choice.properties[key];
  }
  return undefined;
};

/** The names of the properties of all sections a value may be. */
export const properties = (node: SchemaNode): string[] => [
  ...new Set(variants(node).flatMap((choice) => Object.keys(choice.properties ?? {}))),
];
