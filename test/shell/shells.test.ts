import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { fishCompletion } from '../../src/cli/shell/fish.ts';
import { zshCompletion } from '../../src/cli/shell/zsh.ts';
import { root, temporaryDirectory } from '../fakes/jwksd.ts';

// The shells themselves, and what reads manual pages. What is missing is skipped, and named in the test.

const page = path.join(root, 'man/jwksd.1');
const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
beforeAll(async () => {
  directory = await temporaryDirectory();
  await mkdir(path.join(directory.path, 'folder'));
  await writeFile(path.join(directory.path, 'a.pem'), '');
  await writeFile(path.join(directory.path, '_jwksd'), zshCompletion(commands));
  await writeFile(path.join(directory.path, 'jwksd.fish'), fishCompletion(commands));
  await writeFile(path.join(directory.path, 'jwksd'), '#!/bin/sh\n', { mode: 0o755 });
});
afterAll(async () => await directory[Symbol.asyncDispose]());

const env = (): Record<string, string> => ({
  PATH: `${directory.path}:${process.env['PATH'] ?? ''}`,
  HOME: directory.path,
  TERM: 'dumb',
  LC_ALL: 'C.UTF-8',
});

/** Each line that is typed, and some of what the shell then offers, and something it does not. */
const cases: readonly (readonly [line: string, offers: readonly string[], not: string])[] = [
  ['jwksd ', ['serve', 'keys', 'jwks', 'completion'], '--offline'],
  ['jwksd jwks ', ['build', 'diff', 'lint'], 'serve'],
  ['jwksd jwks lint --p', ['--profile', '--previous'], '--offline'],
  ['jwksd jwks lint --profile ', ['generic', 'jitsi', 'opencast', 'full'], 'octoka'],
  ['jwksd completion ', ['bash', 'zsh', 'fish'], 'a.pem'],
  ['jwksd jwks lint ', ['a.pem'], 'generic'],
  ['jwksd serve --keys ', ['folder'], 'a.pem'],
];

describe.runIf(has('fish'))('fish (skipped where there is no fish)', () => {
  test.each(cases)('%s offers the right words', (line, offers, not) => {
    const program = 'source jwksd.fish; complete -C $argv[1]';
    const text = execFileSync('fish', ['--no-config', '-c', program, line], {
      cwd: directory.path,
      env: env(),
      encoding: 'utf8',
    });
    const words = text.split('\n').map((each) => (each.split('\t')[0] ?? '').replace(/\/$/u, ''));
    for (const word of offers) expect(words).toContain(word);
    expect(words).not.toContain(not);
  });
});

/** Types a line and Ctrl-D, which lists what there is, in a zsh with a terminal of its own, until all words are there. */
const listed = (line: string, offers: readonly string[]): string => {
  const program = `
zmodload zsh/zpty zsh/zselect
zpty -b shell zsh -f -i
text=
await() {
  local more end=$((SECONDS + 10)) each
  while ((SECONDS < end)); do
    zpty -r -t shell more && text+=$more || zselect -t 5
    for each in "$@"; do [[ $text == *[^a-z-]\${each}[^a-z-]* ]] || continue 2; done
    return
  done
}
zpty -w shell "stty columns 300 rows 60; LISTMAX=0; fpath=($PWD $fpath); autoload -Uz compinit; compinit -D -u; setopt no_beep; PS1='rea''dy> '"
await ready
text=
zpty -w -n shell "$1"$'\x04'
await "\${@:2}"
print -rn -- "$text"
zpty -d shell`;
  return execFileSync('zsh', ['-f', '-c', program, 'zsh', line, ...offers], {
    cwd: directory.path,
    env: { ...env(), TERM: 'xterm' },
    encoding: 'utf8',
    timeout: 30_000,
  });
};

describe.runIf(has('zsh'))('zsh (skipped where there is no zsh)', () => {
  test.each(cases)('%s offers the right words', (line, offers, not) => {
    // oxlint-disable-next-line no-control-regex -- what a terminal is sent
    const text = listed(line, offers).replaceAll(/\u001B\[[0-9;?]*[A-Za-z]/gu, '');
    const words = text.split(/\s+/u).map((each) => each.replace(/\/$/u, ''));
    for (const word of offers) expect(words, text).toContain(word);
    expect(words, text).not.toContain(not);
  });
});

test.runIf(has('mandoc'))('mandoc finds nothing wrong with the manual page', () => {
  // No date: the page is made of the table, which has none.
  const { stdout, status } = spawnSync('mandoc', ['-T', 'lint', '-W', 'style', page], { encoding: 'utf8' });
  expect(stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual([]);
  expect(status).toBeLessThanOrEqual(2);
});

test.runIf(has('groff'))('groff reads the manual page without a warning', () => {
  const { stdout, stderr } = spawnSync('groff', ['-man', '-Tutf8', '-ww', page], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout).toContain('jwksd jwks lint');
});

test.runIf(has('man'))('man shows the manual page', () => {
  const { stdout, status } = spawnSync('man', ['-l', page], {
    encoding: 'utf8',
    env: { ...env(), MANPAGER: 'cat', PAGER: 'cat' },
  });
  expect(status).toBe(0);
  expect(stdout).toContain('--profile PROFILE');
});
