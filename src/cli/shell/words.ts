import type { Command, OptionSpec } from '../command.ts';

/** What may stand in a place of the command line. */
export type Completion =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** Nothing a shell could know: a name, a number. */
  | { readonly kind: 'file' | 'directory' | 'nothing' };

/** What may follow an option that takes a value, by how the help calls the value. */
export const completionOf = ({ choices, value = '' }: Pick<OptionSpec, 'choices' | 'value'>): Completion => {
  if (choices !== undefined) return { kind: 'words', words: choices };
  if (/\bDIR\b/u.test(value)) return { kind: 'directory' };
  return { kind: /\bFILE\b/u.test(value) ? 'file' : 'nothing' };
};

/** What an operand of a command may be; of commands without operands nothing. */
export const operandsOf = ({ operands = '', operandChoices }: Command): Completion =>
  completionOf({ value: operands, ...(operandChoices === undefined ? {} : { choices: operandChoices }) });

/** One option as it is typed: its words and what follows them. */
export interface OptionWords {
  /** `--config`, and `-c` where there is one. */
  readonly words: readonly string[];
  readonly help: string;
  readonly multiple: boolean;
  /** Undefined for an option without a value. */
  readonly value: (Completion & { readonly name: string }) | undefined;
}

const valueOf = (option: OptionSpec): OptionWords['value'] => ({
  ...completionOf(option),
  name: option.value ?? 'VALUE',
});

/** The options of a command, `--help` among them. */
export const optionsOf = ({ options }: Command): readonly OptionWords[] => [
  ...Object.entries(options).map(([name, option]): OptionWords => ({
    words: [`--${name}`, ...(option.short === undefined ? [] : [`-${option.short}`])],
    help: option.help,
    multiple: option.multiple === true,
    value: option.type === 'boolean' ? undefined : valueOf(option),
  })),
  { words: ['--help', '-h'], help: 'the page of this command', multiple: false, value: undefined },
];

/** A first word of the command line: a command itself, a group, or both. */
export interface FirstWord {
  readonly word: string;
  readonly summary: string;
  readonly command: Command | undefined;
  readonly seconds: readonly { readonly word: string; readonly command: Command }[];
}

/** The commands by their first word, in the order of the table. */
export const firstWords = (commands: readonly Command[]): readonly FirstWord[] =>
  [...new Set(commands.map(({ name }) => name.split(' ')[0] ?? ''))].map((word) => {
    const command = commands.find(({ name }) => name === word);
    const seconds = commands.flatMap((each) => {
      const [first, second] = each.name.split(' ');
      return first === word && second !== undefined ? [{ word: second, command: each }] : [];
    });
    const summary = command?.summary ?? seconds.map((second) => second.word).join(', ');
    return { word, summary, command, seconds };
  });

/** Text in single quotes, as POSIX shells and zsh read it. */
export const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
