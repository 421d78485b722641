import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import {
  chmod,
  link,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DenyList } from '../../src/keyring/deny-list.ts';
import { settle, until } from '../fakes/clock.ts';

const one = 'A'.repeat(43);
const two = 'B'.repeat(43);
const date = new Date(Date.UTC(2025, 0, 1));

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'jwksd-deny-'));
});
afterEach(async () => {
  await chmod(directory, 0o700);
  await rm(directory, { recursive: true, force: true });
});
const file = (): string => path.join(directory, 'denied.json');

describe('the deny list', () => {
  test('is empty where there is no file, and no file is made for that', async () => {
    expect((await DenyList.open(directory)).list()).toEqual([]);
    expect(await readdir(directory)).toEqual([]);
  });

  test('survives the process, with reason and date, readable by its owner only', async () => {
    const list = await DenyList.open(path.join(directory, 'state'));
    await list.add(one, 'leaked', date);
    const again = await DenyList.open(path.join(directory, 'state'));
    expect(again.list()).toEqual([{ thumbprint: one, reason: 'leaked', since: '2025-01-01T00:00:00.000Z' }]);
    expect([...again.thumbprints]).toEqual([one]);
    expect((await stat(path.join(directory, 'state', 'denied.json'))).mode & 0o777).toBe(0o600);
  });

  test('keeps the date when a reason is corrected', async () => {
    const list = await DenyList.open(directory);
    await list.add(one, 'leaked', date);
    await list.add(one, 'stolen', new Date(0));
    expect(list.list()).toEqual([{ thumbprint: one, reason: 'stolen', since: date.toISOString() }]);
  });

  test('loses no entry to changes made at the same time', async () => {
    const list = await DenyList.open(directory);
    const names = Array.from({ length: 20 }, (_, n) => String(n).padStart(43, '0'));
    await Promise.all(names.map(async (name) => await list.add(name, 'test', date)));
    await list.remove(names[0] ?? '');
    const expected = names.slice(1);
    expect(list.list().map(({ thumbprint }) => thumbprint)).toEqual(expected);
    expect((await DenyList.open(directory)).list().map(({ thumbprint }) => thumbprint)).toEqual(expected);
  });

  test.each([
    ['cut off', '{"format":1,"den'],
    ['of another format', '{"format":2,"denied":[]}'],
    [
      'with an entry that is no thumbprint',
      '{"format":1,"denied":[{"thumbprint":"x","reason":"","since":""}]}',
    ],
    ['empty', ''],
  ])('a file that is %s refuses the start with the way to mend it', async (_name, content) => {
    await writeFile(file(), content);
    await expect(DenyList.open(directory)).rejects.toMatchObject({
      code: 'deny_list_damaged',
      message: expect.stringContaining('restore the file from a copy, or delete it'),
    });
    expect(await readFile(file(), 'utf8')).toBe(content);
  });

  test('a change the disk refuses is no change, and the next one works again', async () => {
    const list = await DenyList.open(path.join(directory, 'state'));
    // A file where the directory should be.
    await writeFile(path.join(directory, 'state'), '');
    await expect(list.add(one, 'leaked', date)).rejects.toThrow();
    expect(list.list()).toEqual([]);
    await rm(path.join(directory, 'state'));
    await list.add(two, 'leaked', date);
    expect([...list.thumbprints]).toEqual([two]);
  });

  test('of two processes on one directory keeps the entries of both', async () => {
    const [first, second] = [await DenyList.open(directory), await DenyList.open(directory)];
    await Promise.all([
      ...['1', '2', '3'].map(async (n) => await first.add(n.padStart(43, 'a'), 'first', date)),
      ...['1', '2', '3'].map(async (n) => await second.add(n.padStart(43, 'b'), 'second', date)),
    ]);
    const { thumbprints } = await DenyList.open(directory);
    expect(thumbprints.size).toBe(6);
    await first.reload();
    expect(first.thumbprints).toEqual(thumbprints);
    expect(await readdir(directory)).toEqual(['denied.json']);
  });

  test('keeps what was denied while it is read again', async () => {
    const empty = '{"format":1,"denied":[]}';
    const list = await DenyList.open(directory);
    // A pipe holds up the reading until something is written into it.
    const pipe = path.join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await link(pipe, file());
    const reading = list.reload();
    let writer: FileHandle | undefined;
    while (writer === undefined) {
      await settle(1);
      writer = await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined);
    }
    await writeFile(path.join(directory, 'file'), empty);
    await rename(path.join(directory, 'file'), file());
    let acknowledged = false;
    const denying = list.add(one, 'leaked', date).then(() => (acknowledged = true));
    // Out of the queue it would be acknowledged within milliseconds.
    await until(() => acknowledged, 500).catch(() => undefined);
    await writer.writeFile(empty);
    await writer.close();
    await Promise.all([reading, denying]);
    expect([...list.thumbprints]).toEqual([one]);
  });

  test('is not stopped by the lock of a process that was killed', async () => {
    const lock = `${file()}.lock`;
    await writeFile(lock, '');
    await utimes(lock, 0, 0);
    const list = await DenyList.open(directory);
    await list.add(one, 'leaked', date);
    expect([...list.thumbprints]).toEqual([one]);
  });

  test('is kept in memory alone when persistence is off', async () => {
    const list = await DenyList.open(null);
    await list.add(one, 'leaked', date);
    expect([...list.thumbprints]).toEqual([one]);
  });
});
