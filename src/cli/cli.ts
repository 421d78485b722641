import { JwksdError, errors } from '../errors.ts';
import { didYouMean } from '../config/near-miss.ts';
import type { Command, Io } from './command.ts';
import { commands } from './commands.ts';
import { commandHelp, groupHelp, overview } from './help.ts';
import { parseCommandLine } from './parse.ts';
import { styled } from './style.ts';
import { version } from './version.ts';
import { masked } from './printable.ts';
import { systemSentence } from './system-error.ts';

/** A reader that has seen enough (`| head`) ends nothing; a full disk behind `>` is told, and fails. */
const onWriteError = (error: NodeJS.ErrnoException): void => {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`jwksd: the output cannot be written: ${masked(error.message)}\n`);
  process.exit(errors.failed.exit);
};

const processIo: Io = {
  // Opened by the command that reads it.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
};

/** Runs one command line, without the program's name, and resolves with the exit code: 0 ok, 1 failed, 2 wrong usage. */
export const cli = async (argv: readonly string[], io: Io = processIo): Promise<number> => {
  // Timers of sources and listeners never keep the process alive, so the command that waits for them does.
  const alive = setInterval(() => undefined, 2 ** 30);
  if (io === processIo) process.stdout.on('error', onWriteError);
  try {
    return await dispatch(argv, io);
  } catch (error) {
    const entry = error instanceof JwksdError ? errors[error.code] : errors.failed;
    if (!(error instanceof JwksdError) && !isOfTheSystem(error)) throw error;
    const said = error instanceof JwksdError ? error.message : systemSentence(error);
    io.stderr.write(`${styled(io, 'stderr')('error', 'jwksd:')} ${masked(said)}\n`);
    return 'exit' in entry ? entry.exit : errors.failed.exit;
  } finally {
    clearInterval(alive);
  }
};

/** A full disk, a missing right, a file in the way: not a defect of ours, so its stack helps nobody. */
const isOfTheSystem = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'errno' in error && 'syscall' in error;

const dispatch = async (argv: readonly string[], io: Io): Promise<number> => {
  const [first, ...others] = argv;
  if (first === undefined) {
    io.stderr.write(overview(commands));
    return errors.usage.exit;
  }
  if (first === '--version' || first === '-V') {
    io.stdout.write(`${version}\n`);
    return 0;
  }
  const asksForHelp = first === 'help' || isHelp(first);
  const named = asksForHelp ? others.filter((word) => !word.startsWith('-')) : argv;
  if (named.length === 0) {
    io.stdout.write(overview(commands));
    return 0;
  }
  const end = argv.indexOf('--');
  const page = asksForHelp || argv.slice(0, end === -1 ? argv.length : end).some((word) => isHelp(word));
  const group = groupOf(named);
  if (page && group !== undefined) {
    io.stdout.write(groupHelp(group, commands));
    return 0;
  }
  const command = find(named);
  if (page) {
    io.stdout.write(commandHelp(command));
    return 0;
  }
  return await command.run(parseCommandLine(command, argv.slice(command.name.split(' ').length)), io);
};

const isHelp = (word: string): boolean => word === '--help' || word === '-h';

/** The first word when it is that of a group and no second one follows. */
const groupOf = ([first = '', second = '-']: readonly string[]): string | undefined =>
  second.startsWith('-') &&
  commands.some(({ name }) => name.startsWith(`${first} `)) &&
  !commands.some(({ name }) => name === first)
    ? first
    : undefined;

const find = (argv: readonly string[]): Command => {
  for (const words of [2, 1]) {
    const found = commands.find(({ name }) => name === argv.slice(0, words).join(' '));
    if (found !== undefined) return found;
  }
  const [first = '', second = ''] = argv;
  const group = commands.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name);
  if (groupOf(argv) !== undefined) {
    const list = group.map((name) => `jwksd ${name}`).join(', ');
    throw new JwksdError('usage', `${first} needs one more word: ${list}`);
  }
  const names = group.length > 0 ? group : commands.map(({ name }) => name);
  const asked = second.startsWith('-') ? first : `${first} ${second}`.trim();
  const hint = didYouMean(asked, names) || didYouMean(first, names);
  const shown = JSON.stringify(group.length > 0 ? asked : first);
  throw new JwksdError('usage', `there is no command ${shown}.${hint} See jwksd --help`);
};
