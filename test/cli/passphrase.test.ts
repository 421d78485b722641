import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { askHidden, canAsk } from '../../src/cli/passphrase.ts';
import type { Io } from '../../src/cli/command.ts';

/** A terminal whose keys the test presses, and what it shows. */
const terminal = () => {
  const modes: boolean[] = [];
  const shown: string[] = [];
  const keys = new PassThrough();
  const stdin = Object.assign(keys, { isTTY: true, setRawMode: (mode: boolean) => modes.push(mode) });
  const stderr = { write: (text: string) => shown.push(text), isTTY: true };
  const io: Io = { stdin, stderr, stdout: { write: () => true }, env: {}, cwd: '/' };
  return { io, keys, modes, shown: () => shown.join('') };
};

describe('a passphrase on a terminal', () => {
  test.each([
    ['is what was typed', ['secret\r'], 'secret'],
    ['may come key by key', ['s', 'e', 'c', 'r', 'e', 't', '\r'], 'secret'],
    ['may be corrected', ['secreX\u007ft\r'], 'secret'],
    ['may be begun again', ['wrong\u0015secret\r'], 'secret'],
    ['has no arrow keys in it', ['sec\u001b[D\u001b[1;5Cret\r'], 'secret'],
    ['may be pasted', ['\u001b[200~secret\u001b[201~\r'], 'secret'],
    [
      'may have letters of any script, cut between chunks',
      [Buffer.from('schlüssel🔑\r').subarray(0, 5), Buffer.from('schlüssel🔑\r').subarray(5)],
      'schlüssel🔑',
    ],
    ['may be empty', ['\n'], ''],
  ])('%s', async (_what, typed, passphrase) => {
    const { io, keys, modes, shown } = terminal();
    const asked = askHidden(io, ['Passphrase']);
    for (const each of typed) keys.write(each);
    expect(await asked).toEqual([passphrase]);
    expect(shown()).toBe('Passphrase: \n');
    expect(modes).toEqual([true, false]);
  });

  test('typed ahead answers the questions in their order', async () => {
    const { io, keys, shown } = terminal();
    const asked = askHidden(io, ['Passphrase', 'The same again']);
    keys.write('one\rtwo\r');
    expect(await asked).toEqual(['one', 'two']);
    expect(shown()).toBe('Passphrase: \nThe same again: \n');
  });

  test.each([
    ['Ctrl-C', 'sec\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('%s cancels, and the terminal is as before', async (_key, typed) => {
    const { io, keys, modes } = terminal();
    const asked = askHidden(io, ['Passphrase']);
    keys.write(typed);
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
    expect(modes).toEqual([true, false]);
  });

  test('the end of the input cancels', async () => {
    const { io, keys } = terminal();
    const asked = askHidden(io, ['Passphrase']);
    keys.end();
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
  });

  test('nobody is asked where one end is no terminal', () => {
    const { io } = terminal();
    expect(canAsk(io)).toBe(true);
    expect(canAsk({ ...io, stderr: { write: () => true } })).toBe(false);
  });
});
