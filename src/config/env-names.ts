import { isText, properties, property } from './assign.ts';
import type { Path } from './problem.ts';
import { documentNode, mapOf, type SchemaNode } from './schema.ts';
import { valueAt, type Tree } from './tree.ts';

/** What every variable's name starts with. */
export const prefix = 'JWKSD_';

/** `maxAge` as a variable spells it: `MAX_AGE`. */
export const keyWord = (key: string): string => key.replaceAll(/[A-Z]/g, '_$&').toUpperCase();

/** `my-idp` as a variable spells it: `MY_IDP`. */
const nameWord = (name: string): string => name.replaceAll(/[.-]/g, '_').toUpperCase();

/** The place a variable names. */
export interface Target {
  readonly path: Path;
  readonly node: SchemaNode;
  /** The value is the content of the file the variable names. */
  readonly fromFile: boolean;
}

/** What a name leads to: a place, or a sentence that says why to none. */
export type Resolved = Target | { readonly failure: string } | undefined;

const nameOf = (word: string, names: readonly string[], pattern: RegExp): string | { failure: string } => {
  const known = names.filter((name) => nameWord(name) === word.toUpperCase());
  if (known.length > 1) return { failure: `stands for ${known.join(' and ')}; set that in the file` };
  if (known[0] !== undefined) return known[0];
  const fresh = word.toLowerCase();
  return pattern.test(fresh) ? fresh : fresh.replaceAll('_', '-');
};

/**
 * The place a variable sets: `JWKSD_SETS__JITSI__MAX_AGE` is `sets.jitsi.maxAge`.
 *
 * A name of a map (`JITSI`) is looked for among those the tree has, whatever its case and with `_` for `-` and `.`;
 * a new one is taken in lower case. `…_FILE` is the key without it, unless a key is called so itself.
 */
export const resolveName = (variable: string, tree: Tree): Resolved => {
  let node = documentNode;
  const path: string[] = [];
  const words = variable.slice(prefix.length).split('__');
  for (const [index, word] of words.entries()) {
    const last = index === words.length - 1;
    const map = mapOf(node);
    if (map !== undefined) {
      const here = valueAt(tree, path);
      const names = here instanceof Map ? [...here.keys()].map(String) : [];
      const file = last && word.endsWith('_FILE') && isText(map.values);
      const name = nameOf(file ? word.slice(0, -5) : word, names, map.pattern);
      if (typeof name !== 'string') return name;
      path.push(name);
      if (file) return { path, node: map.values, fromFile: true };
      node = map.values;
      continue;
    }
    const key = properties(node).find((candidate) => keyWord(candidate) === word);
    const found = key === undefined ? undefined : property(node, key);
    if (key !== undefined && found !== undefined) {
      path.push(key);
      node = found;
      continue;
    }
    if (!last || !word.endsWith('_FILE')) return undefined;
    const textKey = properties(node).find((candidate) => `${keyWord(candidate)}_FILE` === word);
    const text = textKey === undefined ? undefined : property(node, textKey);
    if (textKey === undefined || text === undefined || !isText(text)) return undefined;
    return { path: [...path, textKey], node: text, fromFile: true };
  }
  return { path, node, fromFile: false };
};

/** Every variable the schema knows, with the names the tree has in its maps: what a misspelt one is compared with. */
export const knownNames = (tree: Tree): string[] => {
  const below = (node: SchemaNode, path: readonly string[], words: readonly string[]): string[] => {
    const map = mapOf(node);
    const here = valueAt(tree, path);
    const names = map === undefined || !(here instanceof Map) ? [] : [...here.keys()].map(String);
    const children: [string, string, SchemaNode | undefined][] =
      map === undefined
        ? properties(node).map((key) => [key, keyWord(key), property(node, key)])
        : names.map((name) => [name, nameWord(name), map.values]);
    if (children.length === 0) return [prefix + words.join('__')];
    return children.flatMap(([step, word, child]) => below(child ?? {}, [...path, step], [...words, word]));
  };
  return below(documentNode, [], []);
};
