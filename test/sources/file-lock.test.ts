import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { exclusively } from '../../src/sources/file-lock.ts';
import { temporaryDirectory } from '../fakes/jwksd.ts';

const inLock = async (lock: string): Promise<string> => await exclusively(lock, async () => 'done');

test('one task at a time, and nothing is left behind', async () => {
  await using directory = await temporaryDirectory();
  const lock = path.join(directory.path, 'x.lock');
  let inside = 0;
  let most = 0;
  const task = async (): Promise<void> => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
  };
  const locked = async (): Promise<void> => await exclusively(lock, task);
  await Promise.all(Array.from({ length: 12 }, locked));
  expect(most).toBe(1);
  expect(await readdir(directory.path)).toEqual([]);
});

test('a task that fails gives the lock back', async () => {
  await using directory = await temporaryDirectory();
  const lock = path.join(directory.path, 'x.lock');
  const failing = exclusively(lock, async () => await Promise.reject(new Error('no')));
  await expect(failing).rejects.toThrow('no');
  expect(await inLock(lock)).toBe('done');
});

test('the lock of a process that was killed is taken over at once', async () => {
  await using directory = await temporaryDirectory();
  const lock = path.join(directory.path, 'x.lock');
  // A lock of ours, with the number of a process that has ended in place of ours.
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  let content = '';
  await exclusively(lock, async () => void (content = await readFile(lock, 'utf8')));
  const { pid } = process;
  expect(content.startsWith(`${pid}\n`)).toBe(true);
  await writeFile(lock, content.replace(String(pid), String(child.pid)));
  const start = performance.now();
  expect(await inLock(lock)).toBe('done');
  expect(performance.now() - start).toBeLessThan(1000);
});

test.each([
  ['another host', `1\nelsewhere\ntoken\n`],
  ['nobody knows whom', ''],
])('the lock of %s is respected while it is young and taken over when it is old', async (_whose, content) => {
  await using directory = await temporaryDirectory();
  const lock = path.join(directory.path, 'x.lock');
  await writeFile(lock, content);
  await expect(exclusively(lock, async () => 1, { patience: 50 })).rejects.toMatchObject({ code: 'EEXIST' });
  expect(await readFile(lock, 'utf8')).toBe(content);
  await utimes(lock, 0, 0);
  expect(await inLock(lock)).toBe('done');
  expect(await readdir(directory.path)).toEqual([]);
});

test('a lock from the future is taken over too', async () => {
  await using directory = await temporaryDirectory();
  const lock = path.join(directory.path, 'x.lock');
  await writeFile(lock, '1\nelsewhere\ntoken\n');
  const tomorrow = Date.now() / 1000 + 86_400;
  await utimes(lock, tomorrow, tomorrow);
  expect(await exclusively(lock, async () => 'done', { patience: 50 })).toBe('done');
});

test('a lock that was taken over is not removed by its first owner', async () => {
  await using directory = await temporaryDirectory();
  const lock = path.join(directory.path, 'x.lock');
  await exclusively(lock, async () => await writeFile(lock, 'somebody else'));
  expect(await readFile(lock, 'utf8')).toBe('somebody else');
});
