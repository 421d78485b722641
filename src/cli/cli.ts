import { parseArgs } from 'node:util';
import { JwksdError, errors } from '../errors.ts';
import { didYouMean } from '../config/near-miss.ts';
import { parseArgsOptions, type Command, type Io } from './command.ts';
import { commands } from './commands.ts';
import { commandHelp, overview } from './help.ts';
import { version } from './version.ts';

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
  try {
    return await dispatch(argv, io);
  } catch (error) {
    if (isOfTheSystem(error)) {
      io.stderr.write(`jwksd: ${error.message}\n`);
      return errors.failed.exit;
    }
    if (!(error instanceof JwksdError)) throw error;
    io.stderr.write(`jwksd: ${error.message}\n`);
    const entry = errors[error.code];
    return 'exit' in entry ? entry.exit : 1;
  } finally {
    clearInterval(alive);
  }
};

/** A full disk, a missing right, a file in the way: not a defect of ours, so its stack helps nobody. */
const isOfTheSystem = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'errno' in error && 'syscall' in error;

const dispatch = async (argv: readonly string[], io: Io): Promise<number> => {
  const [first] = argv;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    (first === undefined ? io.stderr : io.stdout).write(overview(commands));
    return first === undefined ? 2 : 0;
  }
  if (first === '--version' || first === '-V') {
    io.stdout.write(`${version}\n`);
    return 0;
  }
  const command = find(argv);
  const rest = argv.slice(command.name.split(' ').length);
  if (rest.includes('--help') || rest.includes('-h')) {
    io.stdout.write(commandHelp(command));
    return 0;
  }
  let parsed;
  try {
    parsed = parseArgs({
      args: rest,
      options: parseArgsOptions(command),
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    throw usage(command, rest, error);
  }
  const [operand] = parsed.positionals;
  if (operand !== undefined && command.operands === undefined) {
    throw new JwksdError('usage', `unexpected ${JSON.stringify(operand)}. See jwksd ${command.name} --help`);
  }
  return await command.run({ options: parsed.values, operands: parsed.positionals }, io);
};

const find = (argv: readonly string[]): Command => {
  for (const words of [2, 1]) {
    const found = commands.find(({ name }) => name === argv.slice(0, words).join(' '));
    if (found !== undefined) return found;
  }
  const [first = '', second = ''] = argv;
  const group = commands.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name);
  if (group.length > 0 && (second === '' || second.startsWith('-'))) {
    const list = group.map((name) => `jwksd ${name}`).join(', ');
    throw new JwksdError('usage', `${first} needs one more word: ${list}`);
  }
  const names = group.length > 0 ? group : commands.map(({ name }) => name);
  const asked = second.startsWith('-') ? first : `${first} ${second}`.trim();
  const hint = didYouMean(asked, names) || didYouMean(first, names);
  const shown = JSON.stringify(group.length > 0 ? asked : first);
  throw new JwksdError('usage', `there is no command ${shown}.${hint} See jwksd --help`);
};

const usage = (command: Command, rest: readonly string[], error: unknown): JwksdError => {
  const names = Object.keys(command.options).map((name) => `--${name}`);
  const unknown = rest
    .filter((word) => word.startsWith('--'))
    .map((word) => word.split('=', 1)[0] ?? '')
    .find((word) => !names.includes(word));
  const hint = unknown === undefined ? '' : didYouMean(unknown, names);
  const message = error instanceof Error ? (error.message.split('. ')[0] ?? '') : '';
  return new JwksdError('usage', `${message}.${hint} See jwksd ${command.name} --help`, { cause: error });
};
