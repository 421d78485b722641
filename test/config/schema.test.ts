import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Check } from 'typebox/value';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { keyWord } from '../../src/config/env-names.ts';
import { loadConfig } from '../../src/config/load.ts';
import { builtInFile } from '../../src/config/read.ts';
import { configSchema, documentNode, mapOf, variants, type SchemaNode } from '../../src/config/schema.ts';

const root = path.join(import.meta.dirname, '../..');
const text = async (name: string): Promise<string> => readFile(path.join(root, name), 'utf8');

/** Every key of the schema as docs/configuration.md writes it, with its schema. */
const keys = (): Map<string, SchemaNode> => {
  const found = new Map<string, SchemaNode>();
  const walk = (node: SchemaNode, at: string): void => {
    for (const variant of variants(node)) {
      const map = mapOf(variant);
      if (map !== undefined && map.values.type !== 'string') walk(map.values, `${at}.*`);
      for (const [key, child] of Object.entries(variant.properties ?? {})) {
        const below = at === '' ? key : `${at}.${key}`;
        found.set(below, child);
        walk(child, below);
      }
    }
  };
  walk(documentNode, '');
  return found;
};

/** Sections that are only containers have a heading, not a row. */
const containers = new Set([
  'server',
  'ops',
  'cors',
  'log',
  'shutdown',
  'sources',
  'sets',
  'validation.groups',
]);

test('the generated schema is current', async () => {
  expect(JSON.parse(await text('config/jwksd.schema.json'))).toEqual(configSchema());
});

test('the schema is JSON Schema 2020-12 with a name', () => {
  expect(configSchema()).toMatchObject({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: expect.stringMatching(/^urn:/),
    title: expect.any(String),
  });
});

test('every key is described in the schema', () => {
  const silent = [...keys()].filter(([, node]) => node.description === undefined).map(([key]) => key);
  expect(silent).toEqual([]);
});

test('no two keys of a section have one variable', () => {
  const words = [...keys().keys()].map((key) => key.split('.').map(keyWord).join('__'));
  expect(new Set(words).size).toBe(words.length);
});

describe('docs/configuration.md', () => {
  test('has a row with the default for every key', async () => {
    const rows = (await text('docs/configuration.md'))
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    for (const [key, node] of keys()) {
      if (containers.has(key)) continue;
      const row = rows.find((cells) => cells[1] === `\`${key}\``);
      expect(row, `a row for ${key}`).toBeDefined();
      const value = typeof node.default === 'string' ? node.default : JSON.stringify(node.default);
      if (node.default === undefined) expect(row?.[2], key).toMatch(/^(required|by name|the only source)$/);
      else expect(row?.[2], key).toBe(`\`${value}\``);
      expect(row?.[3], key).not.toBe('');
    }
  });

  test('names no key that does not exist', async () => {
    const known = keys();
    const named = [...(await text('docs/configuration.md')).matchAll(/^\| `([a-z]+(?:\.[A-Za-z*]+)+)`/gm)];
    expect(named.length).toBeGreaterThan(50);
    expect(named.map((match) => match[1] ?? '').filter((key) => !known.has(key))).toEqual([]);
  });
});

describe('config/jwksd.example.yaml', () => {
  const file = path.join(root, 'config/jwksd.example.yaml');

  test('loads without a warning', async () => {
    const result = await loadConfig({ flags: { config: file }, env: {}, cwd: root });
    expect(result).toMatchObject({ ok: true, warnings: [] });
  });

  test('satisfies the published schema', async () => {
    expect(Check(configSchema(), parse(await text('config/jwksd.example.yaml')))).toBe(true);
  });

  test('shows every key and its default', async () => {
    const example = await text('config/jwksd.example.yaml');
    for (const [key, node] of keys()) {
      const name = key.split('.').at(-1) ?? '';
      expect(example, key).toMatch(new RegExp(`\\b${name}:`));
      if (typeof node.default === 'string' && node.default !== '*' && !key.includes('generateIfEmpty')) {
        expect(example, key).toContain(`${name}: ${node.default}`);
      }
    }
  });
});

describe('config/default.yaml', () => {
  test('is where the module looks for it', () => {
    expect(builtInFile).toBe(path.join(root, 'config/default.yaml'));
  });

  test('satisfies the published schema', async () => {
    expect(Check(configSchema(), parse(await text('config/default.yaml')))).toBe(true);
  });
});

const accepts = (value: unknown): boolean => Check(configSchema(), value);

describe('the published schema', () => {
  test('lets every key with a default be left out', () => {
    expect(accepts({})).toBe(true);
    expect(accepts({ sources: { a: { type: 'jwks', url: 'https://a.example' } } })).toBe(true);
  });

  test.each([
    ['an unknown section', { nonsense: {} }],
    ['an unknown key', { server: { prt: 1 } }],
    ['a source without its URL', { sources: { a: { type: 'jwks' } } }],
    ['a number for a duration', { shutdown: { grace: 10 } }],
    ['a bad name', { sources: { '.a': { type: 'files', path: 'x' } } }],
    ['an issuer without its keys', { validation: { issuers: { a: { issuer: 'x' } } } }],
    ['registration for nobody', { registration: {} }],
  ])('refuses %s', (_title, value) => {
    expect(accepts(value)).toBe(false);
  });
});
