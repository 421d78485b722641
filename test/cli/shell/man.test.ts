import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { commands } from '../../../src/cli/commands.ts';
import { root } from '../../fakes/jwksd.ts';
import { run } from '../world.ts';

const plain = (page: string): string =>
  page
    .replaceAll(String.raw`\-`, '-')
    .replaceAll(String.raw`\(dq`, '"')
    .replaceAll(/\\&/gu, '');

test('man prints what man/jwksd.1 holds: run npm run generate otherwise', async () => {
  const { code, stdout, stderr } = await run(['man']);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout === (await readFile(path.join(root, 'man/jwksd.1'), 'utf8'))).toBe(true);
});

test('the page is installed with the package', async () => {
  const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  expect(manifest).toMatchObject({ man: ['man/jwksd.1'] });
  expect(manifest['files']).toContain('man');
});

test('the page has every command with its options and its example', async () => {
  const page = plain((await run(['man'])).stdout);
  for (const { name, options, example } of commands) {
    expect(page).toContain(`.SS ${name}\n`);
    expect(page).toContain(`\n${example}\n`);
    for (const option of Object.keys(options)) expect(page).toContain(`--${option}`);
  }
});
