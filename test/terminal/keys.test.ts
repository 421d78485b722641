import { createPrivateKey } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { noTmux, startTerminal } from './tmux.ts';

const escape = String.fromCodePoint(27);

describe.skipIf(noTmux !== '')(`on a terminal${noTmux}`, () => {
  test('keys generate asks for type, algorithm and name; the answers decide', async () => {
    await using terminal = await startTerminal('jwksd keys generate > answer.txt');
    await terminal.shows('Type of key');
    terminal.press('Enter');
    await terminal.shows('Algorithm');
    terminal.press('Down', 'Enter');
    await terminal.shows('Name of the files');
    terminal.type('mine');
    terminal.press('Enter');
    expect(await terminal.ended()).toBe(0);
    const at = (name: string): string => path.join(terminal.directory, name);
    expect(JSON.parse(await readFile(at('outputs/mine_public.jwk.json'), 'utf8'))).toMatchObject({
      alg: 'ES384',
    });
    // What a script reads holds the answer, and nothing of the conversation.
    const answer = await readFile(at('answer.txt'), 'utf8');
    expect(answer).toMatch(
      /^private key {2}keys\/mine_private\.pem .*\npublic key .*\nJWK Set .*\nkid .*\n$/u,
    );
  });

  test('the name has a default, and a type with one algorithm asks for none', async () => {
    await using terminal = await startTerminal('jwksd keys generate');
    await terminal.shows('Type of key');
    terminal.press('Down', 'Down', 'Enter');
    await terminal.shows('Name of the files');
    expect(terminal.screen()).not.toContain('Algorithm');
    terminal.press('Enter');
    expect(await terminal.ended()).toBe(0);
    expect(await readdir(path.join(terminal.directory, 'keys'))).toEqual(['opencast_private.pem']);
  });

  test('a name that cannot be one is asked for again, and Ctrl-C there leaves nothing behind', async () => {
    await using terminal = await startTerminal(
      'jwksd keys generate; code=$?; stty -a | grep -ow -- "-\\?echo"; (exit $code)',
    );
    await terminal.shows('Type of key');
    terminal.press('Enter');
    await terminal.shows('Algorithm');
    terminal.press('Enter');
    await terminal.shows('Name of the files');
    terminal.type('../x');
    terminal.press('Enter');
    await terminal.shows('cannot be a name');
    terminal.press('C-c');
    expect(await terminal.ended()).toBe(130);
    expect(terminal.screen()).toMatch(/^echo$/mu);
    expect(await readdir(terminal.directory)).toEqual([]);
  });

  test.each(['C-c', 'Escape'])('%s at the first question leaves nothing behind', async (key) => {
    await using terminal = await startTerminal('jwksd keys generate');
    await terminal.shows('Type of key');
    terminal.press(key);
    expect(await terminal.ended()).toBe(130);
    expect(terminal.screen()).toContain('nothing was written');
    expect(await readdir(terminal.directory)).toEqual([]);
  });

  test('a passphrase is asked for twice and never shown', async () => {
    await using terminal = await startTerminal('jwksd keys generate --encrypt');
    await terminal.shows('Passphrase:');
    terminal.type('correct horse');
    terminal.press('Enter');
    await terminal.shows('The same again:');
    terminal.type('correct horse');
    terminal.press('Enter');
    expect(await terminal.ended()).toBe(0);
    expect(terminal.screen()).not.toMatch(/correct|horse|\*|•|▪/u);
    const key = await readFile(path.join(terminal.directory, 'keys/key_private.pem'), 'utf8');
    expect(createPrivateKey({ key, passphrase: 'correct horse' }).type).toBe('private');
  });

  test.each([
    ['two that differ', ['one', 'Enter', 'two', 'Enter'], 2, 'differ'],
    ['an empty one', ['Enter', 'Enter'], 2, 'empty'],
    ['Ctrl-C in the middle', ['secret', 'C-c'], 130, 'nothing was written'],
  ])('%s: no file, and the terminal echoes again', async (_what, keys, code, words) => {
    await using terminal = await startTerminal(
      'jwksd keys generate --encrypt; code=$?; stty -a | grep -ow -- "-\\?echo"; (exit $code)',
    );
    await terminal.shows('Passphrase:');
    terminal.press(...keys);
    expect(await terminal.ended()).toBe(code);
    expect(terminal.screen()).toContain(words);
    expect(terminal.screen()).toMatch(/^echo$/mu);
    expect(terminal.screen()).not.toContain('secret');
    expect(await readdir(terminal.directory)).toEqual([]);
  });

  test('keys convert asks for the passphrase of an encrypted key', async () => {
    await using terminal = await startTerminal('read go; jwksd keys convert key.pem --to spki');
    const { generateKeyPairSync } = await import('node:crypto');
    const { privateKey } = generateKeyPairSync('ed25519');
    const lock = { cipher: 'aes-256-cbc', passphrase: 'secret' };
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8', ...lock });
    await writeFile(path.join(terminal.directory, 'key.pem'), pem);
    terminal.press('Enter');
    await terminal.shows('Passphrase of key.pem:');
    terminal.type('secret');
    terminal.press('Enter');
    expect(await terminal.ended()).toBe(0);
    expect(terminal.screen()).toContain('-----BEGIN PUBLIC KEY-----');
    expect(terminal.screen()).not.toContain('secret');
  });

  test('a private key is not shown', async () => {
    await using terminal = await startTerminal(
      'jwksd keys generate >/dev/null --json; jwksd keys convert keys/key_private.pem --private',
    );
    expect(await terminal.ended()).toBe(2);
    expect(terminal.screen()).toContain('-o FILE');
    expect(terminal.screen()).not.toMatch(/BEGIN|"d"/u);
  });

  test.each([
    ['dumb', 'export TERM=dumb'],
    ['missing', 'unset TERM'],
  ])('a terminal that cannot be drawn on (TERM %s) is not asked', async (_term, set) => {
    await using terminal = await startTerminal(`${set}; jwksd keys generate`);
    expect(await terminal.ended()).toBe(0);
    expect(await readdir(path.join(terminal.directory, 'keys'))).toEqual(['key_private.pem']);
    expect(terminal.screen()).not.toContain('Type of key');
  });

  test('a passphrase is asked for on such a terminal too', async () => {
    await using terminal = await startTerminal('unset TERM; jwksd keys generate --encrypt');
    await terminal.shows('Passphrase:');
    terminal.press('a', 'Enter', 'a', 'Enter');
    expect(await terminal.ended()).toBe(0);
  });

  test('NO_COLOR takes the colours out of the questions', async () => {
    const colour = new RegExp(`${escape}\\[[\\d;]*3[1-6]m`, 'u');
    for (const [env, coloured] of [
      [{}, true],
      [{ NO_COLOR: '1' }, false],
    ] as const) {
      await using terminal = await startTerminal('jwksd keys generate', env);
      await terminal.shows('Type of key');
      expect(colour.test(terminal.screen(true))).toBe(coloured);
      terminal.press('C-c');
      expect(await terminal.ended()).toBe(130);
    }
  });
});
