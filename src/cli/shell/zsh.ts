import type { Command } from '../command.ts';
import { firstWords, operandsOf, optionsOf, quoted, type Completion, type OptionWords } from './words.ts';

/** A text within a specification of `_arguments` or `_describe`, where these characters mean something. */
const plain = (text: string): string => text.replaceAll(/[\\[\]:()]/gu, String.raw`\$&`);

const action = (completion: Completion): string => {
  if (completion.kind === 'file') return '_files';
  if (completion.kind === 'directory') return '_files -/';
  return completion.kind === 'words' ? `(${completion.words.join(' ')})` : ' ';
};

const optionSpecs = ({ words, help, multiple, value }: OptionWords): readonly string[] =>
  words.map((word) => {
    const others = multiple ? '*' : words.length > 1 ? `(${words.join(' ')})` : '';
    const argument = value === undefined ? '' : `:${plain(value.name)}:${action(value)}`;
    const equals = value !== undefined && word.startsWith('--') ? '=' : '';
    return quoted(`${others}${word}${equals}[${plain(help)}]${argument}`);
  });

const argumentsOf = (command: Command, indent: string): string => {
  const operands = operandsOf(command);
  const specs = [
    ...optionsOf(command).flatMap(optionSpecs),
    ...(command.operands === undefined ? [] : [quoted(`*:${plain(command.operands)}:${action(operands)}`)]),
  ];
  return `_arguments -s -S : \\\n${specs.map((spec) => `${indent}  ${spec}`).join(' \\\n')}`;
};

const described = (name: string, entries: readonly (readonly [word: string, text: string])[]): string =>
  `local -a list=(${entries.map(([word, text]) => `\n    ${quoted(`${plain(word)}:${plain(text)}`)}`).join('')}\n  )\n  _describe ${name} list`;

const groupFunction = (word: string, seconds: readonly { word: string; command: Command }[]): string => `
_jwksd_${word}() {
  if ((CURRENT == 2)); then
  ${described(
    quoted(`${word} command`),
    seconds.map((each) => [each.word, each.command.summary] as const),
  )}
    return
  fi
  local second=$words[2]
  shift words
  ((CURRENT--))
  case $second in
${seconds.map((each) => `    ${each.word}) ${argumentsOf(each.command, '     ')} ;;\n`).join('')}  esac
}
`;

/** The completion for zsh: a file `_jwksd` in a directory of `$fpath`, or text to `eval` after `compinit`. */
export const zshCompletion = (commands: readonly Command[]): string => {
  const firsts = firstWords(commands);
  const groups = firsts.filter(({ seconds }) => seconds.length > 0);
  const cases = firsts.map(({ word, command, seconds }) =>
    seconds.length > 0 || command === undefined
      ? `    ${word}) _jwksd_${word} ;;\n`
      : `    ${word}) ${argumentsOf(command, '     ')} ;;\n`,
  );
  const top = [
    ...firsts.map(({ word, summary }) => [word, summary] as const),
    ['help', 'the page of a command'] as const,
    ['--help', 'the overview'] as const,
    ['--version', 'the version'] as const,
  ];
  return `#compdef jwksd
# zsh completion of jwksd, made by: jwksd completion zsh
${groups.map(({ word, seconds }) => groupFunction(word, seconds)).join('')}
_jwksd() {
  if [[ $words[2] == help ]] && ((CURRENT > 2)); then
    ((CURRENT > 4)) && return
    shift words
    ((CURRENT--))
  fi
  if ((CURRENT == 2)); then
  ${described('command', top)}
    return
  fi
  local first=$words[2]
  shift words
  ((CURRENT--))
  case $first in
${cases.join('')}  esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _jwksd "$@"
else
  compdef _jwksd jwksd
fi
`;
};
