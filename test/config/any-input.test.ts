import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { anything, assert, asyncProperty, constantFrom, integer, oneof, string } from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { knownNames } from '../../src/config/env-names.ts';
import { loadConfig, type LoadResult } from '../../src/config/load.ts';

const example = path.join(import.meta.dirname, '../../config/jwksd.example.yaml');

const workspace = async (): Promise<string> => {
  const root = await mkdtemp(path.join(tmpdir(), 'jwksd-any-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  return root;
};

const expectAnAnswer = (result: LoadResult): void => {
  if (result.ok) expect(result.config.sets.length).toBeGreaterThan(0);
  else expect(result.problems.length).toBeGreaterThan(0);
};

/** Every place of a value, as steps from the root. */
const places = (value: unknown, at: readonly string[] = []): (readonly string[])[] => {
  if (typeof value !== 'object' || value === null) return [at];
  const below = Object.entries(value).flatMap(([key, child]) => places(child, at.concat(key)));
  return [at, ...below];
};

const replaced = (value: unknown, at: readonly string[], by: unknown): unknown => {
  const [step, ...rest] = at;
  if (step === undefined) return by;
  const copy = Array.isArray(value) ? [...(value as unknown[])] : { ...(value as Record<string, unknown>) };
  Reflect.set(copy, step, replaced(Reflect.get(copy, step), rest, by));
  return copy;
};

const values = oneof(
  constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    '',
    '5m',
    '1MiB',
    '*',
    [],
    {},
    [null],
    [[]],
    { a: 1 },
    '__proto__',
    'https://a.example',
  ),
  anything({ withBigInt: false, withDate: false, maxDepth: 2 }),
);

test('any value in any place of a file is accepted or refused with a reason, never an exception', async () => {
  const file = path.join(await workspace(), 'jwksd.yaml');
  const whole: unknown = parse(await readFile(example, 'utf8'));
  await assert(
    asyncProperty(constantFrom(...places(whole)), values, async (at, value) => {
      await writeFile(file, stringify(replaced(whole, at, value), { aliasDuplicateObjects: false }));
      expectAnAnswer(await loadConfig({ flags: { config: file }, env: {}, cwd: '/' }));
    }),
    { numRuns: 300 },
  );
});

test('any text as a file is accepted or refused with a reason', async () => {
  const file = path.join(await workspace(), 'jwksd.yaml');
  const pieces = constantFrom(
    'sources:',
    ' ',
    '\n',
    '-',
    '{',
    '}',
    '[',
    ']',
    '&a',
    '*a',
    '"',
    ':',
    '#',
    '|',
    '>',
    '---',
    '\t',
    '!',
    '%',
    '<<',
    'a',
  );
  await assert(
    asyncProperty(string({ unit: pieces, maxLength: 40 }), async (text) => {
      await writeFile(file, text);
      expectAnAnswer(await loadConfig({ flags: { config: file }, env: {}, cwd: '/' }));
    }),
    { numRuns: 300 },
  );
});

test('any text in any variable or flag is accepted or refused with a reason', async () => {
  const tree = new Map([['sources', new Map([['idp', new Map()]])]]);
  const names = knownNames(tree).flatMap((name) => [name, `${name}_FILE`]);
  const texts = oneof(
    constantFrom('null', 'true', '0', '5m', 'a,b', '[]', '/', '.', 'https://a.example', '/dev/null'),
    string(),
  );
  await assert(
    asyncProperty(
      constantFrom(...names),
      texts,
      texts,
      integer({ min: 0, max: 2 }),
      async (name, text, other, count) => {
        const flags = {
          port: other,
          keys: count === 2 ? text : undefined,
          upstream: Array.from({ length: count }, () => text),
        };
        expectAnAnswer(
          await loadConfig({ flags, env: { [name]: text }, cwd: '/', systemFile: '/nothing/here' }),
        );
      },
    ),
    { numRuns: 300 },
  );
});
