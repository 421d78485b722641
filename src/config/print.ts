import path from 'node:path';
import { Document, isMap, isScalar, isSeq } from 'yaml';
import type { Complete } from './complete.ts';
import type { Loaded } from './load.ts';
import { formatOrigin, formatPath, type Path } from './problem.ts';

/** What stands where a secret is. */
const mask = '********';

/** A query may hold an API key; what the operator needs to see is the rest. */
const withoutQuery = (url: string): string => url.replace(/\?.*$/s, `?${mask}`);

const maskedSource = (source: Complete['sources'][string]): Complete['sources'][string] => {
  if (source.type === 'files') return source;
  const headers = Object.fromEntries(Object.keys(source.headers).map((name) => [name, mask]));
  if (source.type === 'jwks') return { ...source, url: withoutQuery(source.url), headers };
  const { jwksUri } = source;
  return { ...source, jwksUri: jwksUri === null ? null : withoutQuery(jwksUri), headers };
};

const maskedRegistration = (registration: Complete['registration']): Complete['registration'] => {
  if (registration === null) return null;
  const { store, accessToken } = registration;
  const { introspection } = accessToken;
  return {
    ...registration,
    store: store.type === 'postgres' ? { ...store, url: `postgres://${mask}` } : store,
    accessToken: {
      ...accessToken,
      introspection:
        introspection === null ? null : { ...introspection, url: withoutQuery(introspection.url) },
    },
  };
};

/**
 * The document without its secrets: the token, every header's value, every query.
 *
 * All headers, because which of them is a secret cannot be told from its name.
 */
const masked = (document: Complete): Complete => ({
  ...document,
  ops: { ...document.ops, token: document.ops.token === null ? null : mask },
  sources: Object.fromEntries(
    Object.entries(document.sources).map(([name, source]) => [name, maskedSource(source)]),
  ),
  registration: maskedRegistration(document.registration),
});

/** Calls back for every value that is no section, empty ones included. */
const eachValue = (node: unknown, at: Path, visit: (node: unknown, at: Path) => void): void => {
  if (!isMap(node) || node.items.length === 0) {
    visit(node, at);
    return;
  }
  for (const { key, value } of node.items) {
    eachValue(value, [...at, String(isScalar(key) ? key.value : key)], visit);
  }
};

const originOf = (loaded: Loaded, at: Path): string => {
  const origin = loaded.origins.get(at) ?? { kind: 'default' };
  return formatOrigin(origin.kind === 'file' ? { ...origin, file: path.basename(origin.file) } : origin);
};

/**
 * The configuration in effect as YAML that loads again: defaults filled in, paths absolute, secrets masked, and behind
 * each value the place it came from.
 */
export const printConfig = (loaded: Loaded): string => {
  const yaml = new Document(masked(loaded.document), { aliasDuplicateObjects: false });
  yaml.commentBefore = ` ${loaded.file}${loaded.builtIn ? ' (built in: no other file was found)' : ''}`;
  eachValue(yaml.contents, [], (node, at) => {
    if (isSeq(node) || isMap(node)) node.flow = true;
    if (isSeq(node) || isMap(node) || isScalar(node)) node.comment = ` ${originOf(loaded, at)}`;
  });
  return yaml.toString({ lineWidth: 0, flowCollectionPadding: false });
};

/** The same as data: the file, the configuration, and the origin of each value by its path. */
export const configAsJson = (loaded: Loaded): object => {
  const document = masked(loaded.document);
  const origins: [string, string][] = [];
  eachValue(new Document(document, { aliasDuplicateObjects: false }).contents, [], (_node, at) => {
    origins.push([formatPath(at), originOf(loaded, at)]);
  });
  return {
    file: loaded.file,
    builtIn: loaded.builtIn,
    config: document,
    origins: Object.fromEntries(origins),
  };
};
