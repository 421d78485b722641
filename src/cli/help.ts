import type { Command } from './command.ts';

const column = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('');
};

/** The overview: every command with its line. */
export const overview = (commands: readonly Command[]): string =>
  `jwksd: the key server for everything that verifies JWTs\n\nUsage: jwksd COMMAND [OPTION…]\n\nCommands:\n${column(
    commands.map(({ name, summary }) => [name, summary]),
  )}\nOptions:\n${column([
    ['--help', 'this text, or after a command the text about it'],
    ['--version', 'the version'],
  ])}\nExit code: 0 ok, 1 failed, 2 wrong usage or configuration.\n`;

/** The page of one command. */
export const commandHelp = (command: Command): string => {
  const rows = Object.entries(command.options).map(([name, option]): [string, string] => {
    const short = option.short === undefined ? '' : `-${option.short}, `;
    const value = option.value === undefined ? '' : ` ${option.value}`;
    const more = option.multiple === true ? ' (may be repeated)' : '';
    return [`${short}--${name}${value}`, `${option.help}${more}`];
  });
  const operands = command.operands === undefined ? '' : ` ${command.operands}`;
  const description = command.description === undefined ? '' : `\n${command.description}\n`;
  return `jwksd ${command.name}: ${command.summary}\n\nUsage: jwksd ${command.name} [OPTION…]${operands}\n${description}\nOptions:\n${column(
    [...rows, ['--help', 'this text']],
  )}\nExample:\n  ${command.example}\n`;
};
