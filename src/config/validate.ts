import { Check } from 'typebox/value';
import { JwksdError } from '../errors.ts';
import { advice, expectation, given } from './describe.ts';
import { didYouMean } from './near-miss.ts';
import type { Path } from './problem.ts';
import { documentNode, isDocument, mapOf, variants, type Document, type SchemaNode } from './schema.ts';
import type { Origins, Tree } from './tree.ts';

/** Takes one problem. */
export type Report = (path: Path, message: string) => void;

/** A value that was reported and has no default: whatever needs it goes too, so that the rest can still be judged. */
const unusable = Symbol('unusable');

/** A default stands in where a value is absent or unusable; its own defaults are filled in as well. */
const fallback = (node: SchemaNode, path: Path, context: Context): unknown => {
  if (node.default === undefined) return unusable;
  context.origins.replace(path, { kind: 'default' });
  const tree =
    typeof node.default === 'object' && node.default !== null && !Array.isArray(node.default)
      ? new Map(Object.entries(node.default))
      : node.default;
  return walk(node, tree, path, context);
};

interface Context {
  readonly report: Report;
  readonly origins: Origins;
}

const refuse = (node: SchemaNode, value: unknown, path: Path, context: Context): typeof unusable => {
  context.report(path, `must be ${expectation(node)}${given(node, value)}${advice(node, value)}`);
  return unusable;
};

const walkSection = (node: SchemaNode, value: Tree, path: Path, context: Context): unknown => {
  const properties = node.properties ?? {};
  for (const key of value.keys()) {
    if (!Object.hasOwn(properties, key)) {
      const known = Object.keys(properties);
      const kind =
        node.title === undefined || node.title === 'section' ? '' : ` where the type is ${node.title}`;
      const hint = didYouMean(key, known) || ` The keys here are ${known.join(', ')}.`;
      context.report([...path, key], `is not a key${kind}.${hint}`);
    }
  }
  let usable = true;
  const result: Record<string, unknown> = {};
  for (const [key, property] of Object.entries(properties)) {
    const at = [...path, key];
    const needed = node.required?.includes(key) === true;
    let member: unknown = unusable;
    if (value.has(key)) {
      member = walk(property, value.get(key), at, context);
    } else if (needed && property.default === undefined) {
      context.report(at, `must be given: ${expectation(property)}`);
    }
    if (member === unusable && needed) member = fallback(property, at, context);
    if (member !== unusable) result[key] = member;
    else if (needed) usable = false;
  }
  return usable ? result : unusable;
};

const walkMap = (
  { pattern, values }: { pattern: RegExp; values: SchemaNode },
  value: Tree,
  path: Path,
  context: Context,
): unknown => {
  const entries: [string, unknown][] = [];
  for (const [name, entry] of value) {
    const at = [...path, name];
    if (!pattern.test(name)) context.report(at, badName(path));
    const member = walk(values, entry, at, context);
    if (member !== unusable && pattern.test(name)) entries.push([name, member]);
  }
  return Object.fromEntries(entries);
};

const badName = (path: Path): string =>
  path.at(-1) === 'headers'
    ? 'is not a header name: use letters, digits and "-"'
    : "is not a usable name: use 1 to 64 of A-Z a-z 0-9 . _ -, not a dot first, and no name of JavaScript's own such as constructor";

const walkList = (node: SchemaNode, value: readonly unknown[], path: Path, context: Context): unknown => {
  const items = value
    .map((item, index) => walk(node.items ?? {}, item, [...path, index], context))
    .filter((item) => item !== unusable);
  // A list whose items were refused is not also called too short.
  if (items.length < value.length && items.length < (node.minItems ?? 0)) return unusable;
  if (Check(node, items)) return items;
  context.report(path, value.length === 0 ? 'must not be an empty list' : 'has too many items');
  return unusable;
};

/** Chooses among several kinds of section by their `type`. */
const walkTyped = (sections: readonly SchemaNode[], value: Tree, path: Path, context: Context): unknown => {
  const types = sections.map((section) => String(section.properties?.['type']?.const));
  const type = value.get('type');
  const section = sections.find((_, index) => types[index] === type);
  if (section !== undefined) return walkSection(section, value, path, context);
  const one = `must be ${types.slice(0, -1).join(', ')} or ${types.at(-1)}`;
  const wrong =
    typeof type === 'string' ? `, not ${JSON.stringify(type.slice(0, 60))}.${didYouMean(type, types)}` : '';
  context.report([...path, 'type'], value.has('type') ? `${one}${wrong}` : `must be given: ${one.slice(8)}`);
  return unusable;
};

const walk = (node: SchemaNode, value: unknown, path: Path, context: Context): unknown => {
  const choices = variants(node);
  if (value instanceof Map) {
    const map = mapOf(node);
    if (map !== undefined) return walkMap(map, value as Tree, path, context);
    const sections = choices.filter((choice) => choice.properties !== undefined);
    const [section] = sections;
    if (sections.length > 1) return walkTyped(sections, value as Tree, path, context);
    if (section !== undefined) return walkSection(section, value as Tree, path, context);
  } else if (Array.isArray(value)) {
    const items = choices.find((choice) => choice.items !== undefined);
    if (items !== undefined) return walkList(items, value, path, context);
  } else if (Check(node, value)) {
    return value;
  }
  return refuse(node, value, path, context);
};

/**
 * Judges a tree by the schema and fills in the defaults.
 *
 * Every problem is reported, not only the first. What was refused is replaced by its default, or left out with the
 * entry that needs it, so the rest of the document is whole and later checks can go on.
 */
export const validate = (tree: Tree, origins: Origins, report: Report): Document => {
  const document = walk(documentNode, tree, [], { report, origins });
  if (!isDocument(document)) {
    throw new JwksdError('internal', 'the configuration passed every check but not its own schema');
  }
  return document;
};
