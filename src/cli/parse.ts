import { parseArgs, type ParseArgsConfig } from 'node:util';
import { didYouMean } from '../config/near-miss.ts';
import { JwksdError } from '../errors.ts';
import type { Command, OptionSpec, Parsed } from './command.ts';

/**
 * What the words behind a command's name say, as its table entry reads them.
 *
 * @throws {JwksdError} `usage` for an option, a value or an operand the entry does not know, with the nearest one it does.
 */
export const parseCommandLine = (command: Command, words: readonly string[]): Parsed => {
  const { options, operands } = read(command, words);
  const [operand] = operands;
  if (operand !== undefined && command.operands === undefined) {
    throw new JwksdError('usage', `unexpected ${JSON.stringify(operand)}. ${pageOf(command)}`);
  }
  for (const [name, { choices }] of Object.entries(command.options)) {
    const values = [options[name]].flat().filter((value) => typeof value === 'string');
    for (const value of values) demandChoice(command, `--${name}`, value, choices);
  }
  for (const word of operands) demandChoice(command, command.operands ?? '', word, command.operandChoices);
  return { options, operands };
};

const read = (command: Command, words: readonly string[]): Parsed => {
  try {
    const config = {
      args: [...words],
      options: parseArgsOptions(command.options),
      allowPositionals: true,
      strict: true,
    };
    const { values, positionals } = parseArgs(config);
    return { options: values, operands: positionals };
  } catch (error) {
    throw wrongOption(command, words, error);
  }
};

const parseArgsOptions = (
  options: Readonly<Record<string, OptionSpec>>,
): NonNullable<ParseArgsConfig['options']> =>
  Object.fromEntries(
    Object.entries(options).map(([name, { type, multiple, short }]) => [
      name,
      { type, ...(multiple === undefined ? {} : { multiple }), ...(short === undefined ? {} : { short }) },
    ]),
  );

const pageOf = ({ name }: Command): string => `See jwksd ${name} --help`;

const demandChoice = (
  command: Command,
  what: string,
  value: string,
  choices: readonly string[] | undefined,
): void => {
  if (choices === undefined || choices.includes(value)) return;
  const hint = didYouMean(value, choices) || ` It is one of ${choices.join(', ')}.`;
  throw new JwksdError('usage', `${what} cannot be ${JSON.stringify(value)}.${hint} ${pageOf(command)}`);
};

const wrongOption = (command: Command, words: readonly string[], error: unknown): JwksdError => {
  const names = Object.keys(command.options).map((name) => `--${name}`);
  const unknown = words
    .filter((word) => word.startsWith('--'))
    .map((word) => word.split('=', 1)[0] ?? '')
    .find((word) => !names.includes(word));
  const hint = unknown === undefined ? '' : didYouMean(unknown, names);
  const said = error instanceof Error ? (error.message.split(/\.[ \n]/u, 1)[0] ?? '') : '';
  const [, option] = /^Option '(.*)' argument is ambiguous/u.exec(said) ?? [];
  const message = option === undefined ? said : `a value that starts with a dash is written ${option}=VALUE`;
  return new JwksdError('usage', `${message}.${hint} ${pageOf(command)}`, { cause: error });
};
