import { stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { makeDirectory } from '../../src/stores/make-directory.ts';
import { temporaryDirectory } from '../fakes/jwksd.ts';

test('makes a directory with those above it, and says whether it did', async () => {
  await using home = await temporaryDirectory();
  const directory = path.join(home.path, 'a', 'b', 'c');
  expect(await makeDirectory(directory, 0o700)).toBe(true);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  expect(await makeDirectory(directory, 0o700)).toBe(false);
  expect(await makeDirectory('/', 0o700)).toBe(false);
});

test('a link to a directory is one; a file and a link that leads nowhere are refused', async () => {
  await using home = await temporaryDirectory();
  const at = (name: string): string => path.join(home.path, name);
  await makeDirectory(at('there'), 0o755);
  await symlink(at('there'), at('link'));
  expect(await makeDirectory(at('link'), 0o755)).toBe(false);
  await writeFile(at('file'), '');
  await expect(makeDirectory(at('file'), 0o755)).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeDirectory(at('file/below'), 0o755)).rejects.toMatchObject({ code: 'ENOTDIR' });
  await symlink(at('nowhere'), at('dangling'));
  await expect(makeDirectory(at('dangling/below'), 0o755)).rejects.toMatchObject({ code: 'EEXIST' });
});

test.runIf(process.platform === 'linux')(
  'ends where a directory that exists refuses new names as missing',
  async () => {
    await expect(makeDirectory('/proc/jwksd-test', 0o700)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(makeDirectory('/proc/jwksd-test/below', 0o700)).rejects.toMatchObject({ code: 'ENOENT' });
  },
);
