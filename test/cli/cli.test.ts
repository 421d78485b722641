import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { cli } from '../../src/cli/cli.ts';
import { commands } from '../../src/cli/commands.ts';
import { root } from '../fakes/jwksd.ts';
import { run } from './world.ts';

const names = commands.map(({ name }) => name);

describe('the overview', () => {
  test.each([['--help'], ['-h'], ['help']])(
    '%s prints every command on stdout and ends with 0',
    async (flag) => {
      const { code, stdout, stderr } = await run([flag]);
      expect([code, stderr]).toEqual([0, '']);
      for (const { name, summary } of commands) {
        expect(stdout).toMatch(new RegExp(`^  ${name} +\\S`, 'mu'));
        expect(stdout).toContain(summary);
      }
    },
  );

  test('is what a command line without a word gets, on stderr and with 2', async () => {
    const { code, stdout, stderr } = await run([]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toBe((await run(['--help'])).stdout);
  });

  test.each(['--version', '-V'])('%s prints the version of the package', async (flag) => {
    const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(await run([flag])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });
});

describe.each(commands)('$name', ({ name, summary, options, example }) => {
  const words = name.split(' ');

  test.each(['--help', '-h'])('%s prints its options and an example, and does nothing', async (flag) => {
    const { code, stdout, stderr } = await run([...words, flag]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(summary);
    for (const [option, { help }] of Object.entries(options)) {
      expect(stdout).toContain(`--${option}`);
      expect(stdout).toContain(help);
    }
    expect(stdout).toContain(`\nExample:\n  ${example}\n`);
    // Fits a terminal of usual width.
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(120);
  });

  test('has an example that is a command line of its own', () => {
    const [, line = ''] = /jwksd (.*)$/u.exec(example) ?? [];
    expect(line.startsWith(name)).toBe(true);
    for (const [, option = ''] of line.matchAll(/ --([a-z-]+)/gu)) {
      expect(Object.keys(options)).toContain(option);
    }
  });

  test('refuses an option it does not have with 2, and says where to look', async () => {
    const { code, stdout, stderr } = await run([...words, '--no-such-option']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^jwksd: [^\n]+\n$/u);
    expect(stderr).toContain('--no-such-option');
    expect(stderr).toContain(`See jwksd ${name} --help`);
  });
});

describe('a mistyped command', () => {
  test.each([
    ['serv', 'serve'],
    ['sevre', 'serve'],
    ['chekc', 'check'],
    ['keys generat', 'keys generate'],
    ['keys digset', 'keys digest'],
    ['config shcema', 'config schema'],
  ])('%s gets the nearest name', async (typed, meant) => {
    const { code, stdout, stderr } = await run(typed.split(' '));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^jwksd: [^\n]+\n$/u);
    expect(stderr).toContain(meant);
  });

  test.each(['keys', 'config'])('%s alone is told what follows it', async (word) => {
    const { code, stderr } = await run([word]);
    expect(code).toBe(2);
    for (const name of names.filter((each) => each.startsWith(`${word} `))) expect(stderr).toContain(name);
  });

  test('that resembles nothing gets no guess', async () => {
    const { code, stderr } = await run(['quux']);
    expect(code).toBe(2);
    expect(stderr).toContain('"quux"');
    expect(stderr).not.toContain('Did you mean');
    expect(stderr).toContain('jwksd --help');
  });
});

describe('a mistyped option', () => {
  test.each([
    [['serve', '--upstraem', 'x'], '--upstream'],
    [['serve', '--prot=1'], '--port'],
    [['check', '--ofline'], '--offline'],
    [['keys', 'generate', '--nmae', 'a'], '--name'],
  ])('%j gets the nearest name', async (argv, meant) => {
    const { code, stderr } = await run(argv);
    expect(code).toBe(2);
    expect(stderr).toContain(`Did you mean "${meant}"?`);
  });

  test.each([
    [['serve', '--port'], '--port'],
    [['check', '--strict=yes'], '--strict'],
    [['serve', 'now'], 'now'],
    [['check', 'now'], 'now'],
    [['config', 'print', 'now'], 'now'],
    [['config', 'schema', 'now'], 'now'],
    [['keys', 'generate', 'now'], 'now'],
    [['keys', 'digest'], 'KID'],
    [['keys', 'digest', 'a', 'b'], 'KID'],
  ])('%j is wrong usage', async (argv, named) => {
    const { code, stdout, stderr } = await run(argv);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^jwksd: [^\n]+\n$/u);
    expect(stderr).toContain(named);
  });
});

describe('a value that is not one of its option', () => {
  test.each([
    [['serve', '--log-level', 'wran'], '--log-level cannot be "wran". Did you mean "warn"?'],
    [['check', '--log-level=LOUDER'], 'It is one of fatal, error, warn, info, debug, trace, silent.'],
  ])('%j is wrong usage, with the nearest one', async (argv, message) => {
    const { code, stdout, stderr } = await run(argv);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});

describe('help', () => {
  test.each([[['keys', '--help']], [['keys', '-h']], [['help', 'keys']], [['--help', 'keys']]])(
    '%j lists the commands of the group, and no others',
    async (argv) => {
      const { code, stdout, stderr } = await run(argv);
      expect([code, stderr]).toEqual([0, '']);
      for (const { name, summary } of commands) {
        expect(stdout.includes(`  ${name} `)).toBe(name.startsWith('keys '));
        expect(stdout.includes(summary)).toBe(name.startsWith('keys '));
      }
    },
  );

  test.each([['keys digest'], ['serve']])('help %s is the page of the command', async (name) => {
    const words = name.split(' ');
    expect(await run(['help', ...words])).toEqual(await run([...words, '--help']));
  });

  test('help of what does not exist is wrong usage, with a guess', async () => {
    const { code, stderr } = await run(['help', 'keys', 'digset']);
    expect(code).toBe(2);
    expect(stderr).toContain('keys digest');
  });

  test('behind -- no word asks for it', async () => {
    expect((await run(['keys', 'digest', '--', '--help'])).stdout).toMatch(/^[0-9a-f]{64}\n$/u);
  });
});

/** The first word of an error message, as a terminal or a file gets it. */
const prefix = async (env: Record<string, string>, isTTY: boolean): Promise<string> => {
  let text = '';
  const out = { write: (more: string) => (text += more), isTTY };
  await cli(['quux'], { stdin: Readable.from([]), stdout: out, stderr: out, env, cwd: '/' });
  return text.slice(0, text.indexOf(' '));
};

describe('colour', () => {
  test('is for a terminal', async () => {
    expect(await prefix({ NO_COLOR: '' }, true)).toBe('\u001B[31mjwksd:\u001B[39m');
    expect(await prefix({}, false)).toBe('jwksd:');
  });

  test.each([{ NO_COLOR: '1' }, { TERM: 'dumb' }])('is not for %j', async (env) => {
    expect(await prefix(env, true)).toBe('jwksd:');
  });
});
