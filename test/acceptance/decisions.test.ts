import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';

const directory = path.join(import.meta.dirname, '../../docs/decisions');

test('every decision record has a number of its own, which its title repeats', async () => {
  const names = (await readdir(directory)).sort();
  expect(names.map((name) => name.slice(0, 4))).toEqual(
    names.map((_, at) => String(at + 1).padStart(4, '0')),
  );
  for (const name of names) {
    const text = await readFile(path.join(directory, name), 'utf8');
    expect(text.startsWith(`# ${name.slice(0, 4)} `), name).toBe(true);
  }
});
