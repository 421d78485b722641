import { mapOf, variants, type SchemaNode } from './schema.ts';

/** Longest piece of a value that a message repeats. */
const shown = 60;

const quote = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value) : String(value));

const list = (words: readonly string[]): string => {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`;
};

const one = (node: SchemaNode): string[] => {
  const example = node.examples?.[0];
  const suffix = example === undefined ? '' : ` such as ${example}`;
  if (node.const !== undefined) return [quote(node.const)];
  if (node.enum !== undefined) return node.enum.map(quote);
  if (node.type === 'integer') return [`a whole number from ${node.minimum} to ${node.maximum}`];
  if (node.type === 'boolean') return ['true', 'false'];
  if (node.type === 'null') return ['null'];
  if (node.type === 'array') return [`a list, each item ${one(node.items ?? {}).join('')}`];
  if (mapOf(node) !== undefined || node.properties !== undefined) return ['a section with keys of its own'];
  const noun = node.title ?? 'text';
  return [`${/^(?:[aeio]|IP)/.test(noun) ? 'an' : 'a'} ${noun}${suffix}`];
};

/** What a value may be, in words: `a duration such as 30s`, `"auto", true or false`. */
export const expectation = (node: SchemaNode): string => list(variants(node).flatMap(one));

/** The value as a message may repeat it: short, on one line, and never when it is secret. */
export const given = (node: SchemaNode, value: unknown): string => {
  if (variants(node).some((variant) => variant.writeOnly === true)) return '';
  if (value === undefined) return '';
  if (value instanceof Map) return ', not a section';
  if (Array.isArray(value)) return ', not a list';
  const text = quote(value);
  // A URL may carry credentials, also where somebody put it by mistake.
  if (text.includes('://')) return '';
  return `, not ${text.length > shown ? `${text.slice(0, shown)}…` : text}`;
};

/** What to write instead, where that can be guessed. */
export const advice = (node: SchemaNode, value: unknown): string => {
  const titles = new Set(variants(node).map((variant) => variant.title));
  if (typeof value === 'number' && titles.has('duration')) return `; a number needs a unit: "${value}s"`;
  if (typeof value === 'number' && titles.has('size')) return `; a number needs a unit: "${value}B"`;
  if (titles.has('duration')) return '; the units are ms, s, m, h and d';
  if (titles.has('size')) return '; the units are B, KiB, MiB and GiB';
  const wantsList = variants(node).some((variant) => variant.type === 'array');
  if (wantsList && typeof value === 'string' && !value.includes('://')) return `; write [${value}]`;
  return '';
};
