import {
  Composer,
  LineCounter,
  Parser,
  isMap,
  isScalar,
  isSeq,
  type CST,
  type Document,
  type ParsedNode,
} from 'yaml';
import type { Path, Problem } from './problem.ts';
import { problemAt } from './problem.ts';
import { Origins, type Tree } from './tree.ts';

/** Nesting no configuration has. The composer recurses, and deep input would end the process. */
const maxDepth = 64;

/** Places an alias may multiply its anchor to. */
const maxAliases = 100;

/** What became of a text: the tree with the line of every value, or the reasons there is none. */
export type Parsed =
  | { readonly tree: Tree; readonly origins: Origins; readonly problems?: never }
  | { readonly problems: readonly Problem[] };

const tooDeep = (tokens: readonly CST.Token[]): boolean => {
  const open: { token: CST.Token | null | undefined; depth: number }[] = tokens.map((token) => ({
    token,
    depth: 0,
  }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next;
    if (depth > maxDepth) return true;
    if (token?.type === 'document') open.push({ token: token.value, depth });
    if (token === null || token === undefined || !('items' in token)) continue;
    for (const item of token.items) {
      if ('key' in item) open.push({ token: item.key, depth: depth + 1 });
      if ('value' in item) open.push({ token: item.value, depth: depth + 1 });
    }
  }
  return false;
};

/** Reads one YAML 1.2 document whose root is a map. An empty text is an empty map. */
export const parseYaml = (text: string, file: string): Parsed => {
  const lines = new LineCounter();
  const refuse = (message: string, offset: number): Problem =>
    problemAt([], message, { kind: 'file', file, line: lines.linePos(offset).line || 1 });

  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  if (tooDeep(tokens)) return { problems: [refuse(`is nested more than ${maxDepth} levels deep`, 0)] };
  const composer = new Composer({ prettyErrors: false, stringKeys: true, logLevel: 'silent' });
  const [document, second] = [...composer.compose(tokens)];
  const origins = new Origins();
  if (document === undefined) return { tree: new Map(), origins };
  if (second !== undefined) {
    return { problems: [refuse('holds more than one YAML document; keep one', second.range[0])] };
  }
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    return { problems: faults.map((fault) => refuse(`is not valid YAML: ${fault.message}`, fault.pos[0])) };
  }
  return convert(document, origins, file, lines, refuse);
};

const convert = (
  document: Document.Parsed,
  origins: Origins,
  file: string,
  lines: LineCounter,
  refuse: (message: string, offset: number) => Problem,
): Parsed => {
  const record = (node: ParsedNode | null, path: Path): void => {
    if (isMap<ParsedNode, ParsedNode | null>(node)) {
      for (const { key, value } of node.items) {
        const name = String(isScalar(key) ? key.value : key);
        const at = [...path, name];
        origins.set(at, { kind: 'file', file, line: lines.linePos(key.range[0]).line });
        record(value, at);
      }
    } else if (isSeq<ParsedNode>(node)) {
      for (const [index, item] of node.items.entries()) {
        origins.set([...path, index], { kind: 'file', file, line: lines.linePos(item.range[0]).line });
        record(item, [...path, index]);
      }
    }
  };
  record(document.contents, []);
  try {
    const value: unknown = document.toJS({ mapAsMap: true, maxAliasCount: maxAliases });
    if (value === null) return { tree: new Map(), origins };
    if (value instanceof Map) return { tree: value as Tree, origins };
    return { problems: [refuse('must hold a map of sections such as "server:" and "sources:"', 0)] };
  } catch (error) {
    // The library throws for an alias without anchor and for aliases that multiply without bound.
    return { problems: [refuse(`is not valid YAML: ${error instanceof Error ? error.message : ''}`, 0)] };
  }
};
