import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Comparison } from '../../../src/jwk/compare.ts';
import { temporaryDirectory } from '../../fakes/jwksd.ts';
import { run } from '../world.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
beforeEach(async () => {
  directory = await temporaryDirectory();
});
afterEach(async () => await directory[Symbol.asyncDispose]());

const newKey = () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }) as Record<
    string,
    string
  >;
const { d: secret = '', ...first }: Record<string, string> = newKey();
const { d: otherSecret = '', ...second }: Record<string, string> = newKey();
const a = { ...first, kid: 'a' };
const b = { ...second, kid: 'b' };

const diff = async (left: unknown, right: unknown, ...flags: string[]) => {
  const put = async (name: string, value: unknown): Promise<void> =>
    await writeFile(
      path.join(directory.path, name),
      typeof value === 'string' ? value : JSON.stringify(value),
    );
  await put('left', left);
  await put('right', right);
  return await run(['jwks', 'diff', 'left', 'right', ...flags], { cwd: directory.path });
};
const compare = async (left: readonly unknown[], right: readonly unknown[]) => {
  const { code, stdout } = await diff({ keys: left }, { keys: right }, '--json');
  const comparison = JSON.parse(stdout) as Comparison & { equal: boolean };
  expect(code).toBe(comparison.equal ? 0 : 1);
  return comparison;
};

describe('sets are equal', () => {
  test.each([
    ['when they are', [a, b], [a, b]],
    ['in another order', [a, b], [b, a]],
    ['with padded numbers', [a], [{ ...a, x: `${first['x']}=` }]],
    ['with members in another order', [a], [Object.fromEntries(Object.entries(a).toReversed())]],
    ['with entries that are no keys', [a, 7, { kty: 'LWE' }], [{ kty: 'LWE' }, a, 7]],
    ['when both are empty', [], []],
  ])('%s', async (_, left, right) => {
    expect(await compare(left, right)).toEqual({ equal: true, added: [], removed: [], changed: [] });
  });

  test('and say so on stderr alone', async () => {
    expect(await diff({ keys: [a] }, { keys: [a] })).toEqual({
      code: 0,
      stdout: '',
      stderr: 'equal: 1 key\n',
    });
  });

  test('with a JWK alone standing for its set', async () => {
    expect((await diff({ keys: [a] }, a)).code).toBe(0);
  });
});

describe('sets differ', () => {
  test('by keys', async () => {
    const { added, removed, changed } = await compare([a], [b]);
    expect([added, removed, changed].map((list) => list.map(({ kid }) => kid))).toEqual([['b'], ['a'], []]);
  });

  test('by how often a key is there', async () => {
    expect((await compare([a], [a, a])).added).toHaveLength(1);
  });

  test('by members of one key', async () => {
    const { changed } = await compare(
      [{ ...a, alg: 'ES256', use: 'sig' }],
      [{ ...a, alg: 'ES512', kid: 'c', x5c: null }],
    );
    expect(changed[0]?.members).toEqual([
      { member: 'alg', from: '"ES256"', to: '"ES512"' },
      { member: 'kid', from: '"a"', to: '"c"' },
      { member: 'use', from: '"sig"' },
      { member: 'x5c', to: 'null' },
    ]);
  });

  test('by the key behind a kid', async () => {
    const { changed, added } = await compare([a], [{ ...second, kid: 'a' }]);
    expect(added).toEqual([]);
    expect(changed[0]?.members.map(({ member }) => member)).toEqual(['key']);
  });

  test('by a private half, of which nothing is shown', async () => {
    const { stdout } = await diff({ keys: [{ ...a, d: otherSecret }] }, { keys: [{ ...a, d: secret }] });
    expect(stdout).toContain('d: private -> private');
    expect(stdout).not.toContain(secret);
    expect(stdout).not.toContain(otherSecret);
  });

  test('and the text names every difference, one a line', async () => {
    const { code, stdout, stderr } = await diff({ keys: [a, b] }, { keys: [{ ...b, use: 'sig' }] });
    expect([code, stderr]).toEqual([1, '']);
    expect(stdout.split('\n').map((line) => line.replace(/thumbprint \S+/u, 'T'))).toEqual([
      '- EC kid "a" T',
      '~ EC kid "b" T',
      '    use: absent -> "sig"',
      '',
    ]);
  });
});

test.each([
  ['{"keys":7}', 'left is not a JWK Set'],
  ['// x\n{"keys":[]}', 'left: neither a JWK'],
  ['{"keys":[] // x\n}', 'left is not a JWK Set: it is not JSON'],
  ['', 'left: the file is empty'],
])('%j is no set, and fails', async (text, message) => {
  const { code, stdout, stderr } = await diff(text, { keys: [] });
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toContain(message);
});

test.each([[[]], [['a']], [['a', 'b', 'c']], [['-', '-']]])(
  'jwks diff %j is wrong usage',
  async (operands) => {
    expect((await run(['jwks', 'diff', ...operands])).code).toBe(2);
  },
);
