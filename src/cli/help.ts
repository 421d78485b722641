import type { Command, OptionSpec } from './command.ts';

const column = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('');
};

/** The overview: every command with its line. */
export const overview = (commands: readonly Command[]): string =>
  `jwksd: the key server for everything that verifies JWTs\n\nUsage: jwksd COMMAND [OPTION…]\n\nCommands:\n${column(
    commands.map(({ name, summary }) => [name, summary]),
  )}\nOptions:\n${column([
    ['--help', 'this text, or after a command the text about it; jwksd help COMMAND is the same'],
    ['--version', 'the version'],
  ])}\nExit code: 0 ok, 1 failed, 2 wrong usage or configuration, 130 cancelled with Ctrl-C.\n`;

/** The page of a group: its commands. */
export const groupHelp = (group: string, commands: readonly Command[]): string =>
  `Usage: jwksd ${group} COMMAND [OPTION…]\n\nCommands:\n${column(
    commands.filter(({ name }) => name.startsWith(`${group} `)).map(({ name, summary }) => [name, summary]),
  )}\nMore: jwksd ${group} COMMAND --help\n`;

/** The usage line of a command, without the program. */
export const usageOf = ({ name, operands }: Command): string =>
  `${name} [OPTION…]${operands === undefined ? '' : ` ${operands}`}`;

/** How the help writes an option: `-c, --config FILE`. */
export const optionTerm = (name: string, { short, value }: OptionSpec): string =>
  `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;

/** What the help says of an option, its values included. */
export const optionText = ({ help, multiple, choices }: OptionSpec): readonly string[] => [
  `${help}${multiple === true ? ' (may be repeated)' : ''}`,
  ...(choices === undefined ? [] : listed(choices)),
];

/** A list over as many lines as a narrow column needs. */
const listed = (words: readonly string[]): readonly string[] => {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || `${last}, ${word}`.length > 70) lines.push(word);
    else lines[lines.length - 1] = `${last}, ${word}`;
  }
  return lines.map((line, index) => (index < lines.length - 1 ? `${line},` : line));
};

/** The page of one command. */
export const commandHelp = (command: Command): string => {
  const rows = Object.entries(command.options).flatMap(([name, option]) =>
    optionText(option).map((line, index): [string, string] => [
      index === 0 ? optionTerm(name, option) : '',
      line,
    ]),
  );
  const description = command.description === undefined ? '' : `\n${command.description}\n`;
  return `jwksd ${command.name}: ${command.summary}\n\nUsage: jwksd ${usageOf(command)}\n${description}\nOptions:\n${column(
    [...rows, ['--help', 'this text']],
  )}\nExample:\n  ${command.example}\n`;
};
