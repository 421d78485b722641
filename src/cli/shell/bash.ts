import type { Command } from '../command.ts';
import { firstWords, operandsOf, optionsOf, quoted, type Completion } from './words.ts';

/** The shell command that fills COMPREPLY; `word` is what is typed so far. */
const reply = (completion: Completion): string => {
  if (completion.kind === 'file')
    return 'compopt -o filenames 2>/dev/null; _jwksd_lines "$(compgen -f -- "$word")"';
  if (completion.kind === 'directory')
    return 'compopt -o filenames 2>/dev/null; _jwksd_lines "$(compgen -d -- "$word")"';
  return completion.kind === 'words' ? `_jwksd_words ${completion.words.map(quoted).join(' ')}` : ':';
};

/** A case of bash for one command: the values of its options, its options, its operands. */
const caseOf = (command: Command): string => {
  const options = optionsOf(command);
  const valued = options.flatMap(({ words, value }) =>
    value === undefined ? [] : [`        ${words.join('|')}) ${reply(value)} ;;\n`],
  );
  const all = options.flatMap(({ words }) => words.filter((word) => word.startsWith('--')));
  const rest = `if [[ $word == -* ]]; then ${reply({ kind: 'words', words: all })}; else ${reply(operandsOf(command))}; fi`;
  return `    ${quoted(command.name)})\n      case $previous in\n${valued.join('')}        *) ${rest} ;;\n      esac ;;\n`;
};

/**
 * The completion for bash 3.2 and newer, without the package bash-completion.
 *
 * Values of `--option=VALUE` are completed too: bash takes the words apart at `=`.
 */
export const bashCompletion = (commands: readonly Command[]): string => {
  const firsts = firstWords(commands);
  const groups = firsts.filter(({ seconds }) => seconds.length > 0);
  const seconds = groups.map(
    ({ word, seconds: list }) =>
      `      ${word}) ${reply({ kind: 'words', words: list.map((second) => second.word) })} ;;\n`,
  );
  const top = [...firsts.map(({ word }) => word), 'help', '--help', '--version'];
  return `# bash completion of jwksd, made by: jwksd completion bash
_jwksd_words() {
  local each
  for each in "$@"; do [[ $each == "$word"* ]] && COMPREPLY+=("$each"); done
}
_jwksd_lines() {
  local each
  while IFS= read -r each; do [[ -n $each ]] && COMPREPLY+=("$each"); done <<<"$1"
}
_jwksd() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} base=1
  COMPREPLY=()
  if [[ $word == = ]]; then word=; elif [[ $previous == = ]]; then previous=\${COMP_WORDS[COMP_CWORD-2]}; fi
  [[ \${COMP_WORDS[1]} == help ]] && base=2
  local first=\${COMP_WORDS[base]} second=\${COMP_WORDS[base+1]} command
  if ((COMP_CWORD <= base)); then
    ${reply({ kind: 'words', words: top })}
    return
  fi
  command=$first
  case $first in
    ${groups.map(({ word }) => word).join('|')}) command="$first $second" ;;
  esac
  if ((COMP_CWORD == base + 1)); then
    case $first in
${seconds.join('')}    esac
    [[ $command == "$first" ]] || return
  fi
  ((base == 2)) && return
  case $command in
${commands.map(caseOf).join('')}  esac
}
complete -F _jwksd jwksd
`;
};
