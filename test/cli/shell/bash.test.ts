import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bashCompletion } from '../../../src/cli/shell/bash.ts';
import { commands } from '../../../src/cli/commands.ts';
import { temporaryDirectory } from '../../fakes/jwksd.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
beforeAll(async () => {
  directory = await temporaryDirectory();
  await mkdir(path.join(directory.path, 'keys dir'));
  await writeFile(path.join(directory.path, 'a key.pem'), '');
  await writeFile(path.join(directory.path, 'script'), bashCompletion(commands));
});
afterAll(async () => await directory[Symbol.asyncDispose]());

const hasBash = ((): boolean => {
  try {
    execFileSync('bash', ['-c', 'type compgen'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** What bash offers behind these words, of which the last one is being typed. */
const offered = (...words: string[]): readonly string[] => {
  const program = `. ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _jwksd; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const args = ['--norc', '-c', program, 'bash', 'jwksd', ...words];
  const text = execFileSync('bash', args, { cwd: directory.path, encoding: 'utf8' });
  return text.split('\n').filter((line) => line !== '');
};

const options = (name: string): readonly string[] =>
  Object.keys(commands.find((command) => command.name === name)?.options ?? {}).map((each) => `--${each}`);

test.runIf(hasBash)('every command is offered, word by word', () => {
  const firsts = [...new Set(commands.map(({ name }) => name.split(' ')[0]))];
  expect(offered('')).toEqual([...firsts, 'help', '--help', '--version']);
  expect(offered('ser')).toEqual(['serve']);
  expect(offered('jwks', '')).toEqual(['build', 'diff', 'lint']);
  expect(offered('help', 'jwks', 'l')).toEqual(['lint']);
  expect(offered('nothing', '')).toEqual([]);
});

test.runIf(hasBash).each(commands)('$name: its options are offered', ({ name }) => {
  expect(offered(...name.split(' '), '--')).toEqual([...options(name), '--help']);
});

test.runIf(hasBash)('values are offered where the table knows them', () => {
  const profiles = ['generic', 'jitsi', 'opencast', 'full'];
  expect(offered('jwks', 'lint', '--profile', '')).toEqual(profiles);
  expect(offered('jwks', 'lint', '--profile', '=', '')).toEqual(profiles);
  expect(offered('jwks', 'lint', '--profile', '=')).toEqual(profiles);
  expect(offered('jwks', 'lint', 'a', '--as', 'o')).toEqual(['opencast', 'octoka']);
  expect(offered('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  expect(offered('serve', '--port', '')).toEqual([]);
});

test.runIf(hasBash)('files and directories are offered where they belong, names with spaces whole', () => {
  expect(offered('jwks', 'lint', 'a')).toEqual(['a key.pem']);
  expect(offered('jwks', 'build', 'x', '-o', 'a')).toEqual(['a key.pem']);
  expect(offered('serve', '--keys', '')).toEqual(['keys dir']);
  expect(offered('keys', 'digest', '')).toEqual([]);
});
