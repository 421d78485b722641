import type { Command } from '../command.ts';
import { firstWords, operandsOf, optionsOf, type Completion, type OptionWords } from './words.ts';

/** Text in single quotes, as fish reads it. */
const quoted = (text: string): string => `'${text.replaceAll(/[\\']/gu, String.raw`\$&`)}'`;

const values = (completion: Completion): string => {
  if (completion.kind === 'file') return ' -F';
  if (completion.kind === 'directory') return " -a '(__fish_complete_directories)'";
  return completion.kind === 'words' ? ` -a ${quoted(completion.words.join(' '))}` : '';
};

const optionLine = (condition: string, { words, help, value }: OptionWords): string => {
  const names = words
    .map((word) => (word.startsWith('--') ? ` -l ${word.slice(2)}` : ` -s ${word.slice(1)}`))
    .join('');
  // -x: a value must follow, and no file name is offered unless -F says so.
  const takes = value === undefined ? '' : ` ${value.kind === 'file' ? '-r' : '-x'}${values(value)}`;
  return `complete -c jwksd -n ${condition}${names}${takes} -d ${quoted(help)}\n`;
};

const commandLines = (command: Command): string => {
  const condition = quoted(`__jwksd_at ${command.name}`);
  const operands = operandsOf(command);
  return [
    ...optionsOf(command).map((option) => optionLine(condition, option)),
    ...(operands.kind === 'nothing' ? [] : [`complete -c jwksd -n ${condition}${values(operands)}\n`]),
  ].join('');
};

/** A word that is offered when the words so far are `at`. */
const line = (at: string, word: string, text: string): string =>
  `complete -c jwksd -n ${quoted(`__jwksd_exactly${at === '' ? '' : ` ${at}`}`)} -a ${word} -d ${quoted(text)}\n`;

/** The completion for fish 3.1 and newer: a file `jwksd.fish` in `~/.config/fish/completions`. */
export const fishCompletion = (commands: readonly Command[]): string => {
  const firsts = firstWords(commands);
  return `# fish completion of jwksd, made by: jwksd completion fish
function __jwksd_words
    set -l words (commandline -opc)
    set -e words[1]
    if test "$words[1]" = help
        set -e words[1]
    end
    string join \\n -- $words
end
# The words so far begin with these.
function __jwksd_at
    set -l words (__jwksd_words)
    set -l count (count $argv)
    test (count $words) -ge $count; and test "$words[1..$count]" = "$argv"
end
# The words so far are these.
function __jwksd_exactly
    set -l words (__jwksd_words)
    test (count $words) -eq (count $argv); and test "$words" = "$argv"
end
complete -c jwksd -f
${firsts.map(({ word, summary }) => line('', word, summary)).join('')}${line('', 'help', 'the page of a command')}complete -c jwksd -n '__jwksd_exactly' -l version -d 'the version'
${firsts
  .flatMap(({ word, seconds }) => seconds.map((second) => line(word, second.word, second.command.summary)))
  .join('')}${commands.map(commandLines).join('')}`;
};
