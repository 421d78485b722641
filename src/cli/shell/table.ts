import type { Command } from '../command.ts';

/** The commands around the shell, which are made from the whole table. What they do is loaded when one of them runs. */
export const shellCommands = (commands: () => readonly Command[]): readonly Command[] => [
  {
    name: 'completion',
    summary: 'prints the completion of a shell: commands, options, values, files',
    operands: 'bash|zsh|fish',
    operandChoices: ['bash', 'zsh', 'fish'],
    description:
      'bash: eval "$(jwksd completion bash)" in ~/.bashrc. zsh: jwksd completion zsh > a directory of $fpath/_jwksd.\n' +
      'fish: jwksd completion fish > ~/.config/fish/completions/jwksd.fish.',
    options: {},
    example: 'jwksd completion bash > ~/.local/share/bash-completion/completions/jwksd',
    run: async (parsed, io) => (await import('./completion.ts')).completion(parsed, io, commands()),
  },
  {
    name: 'man',
    summary: 'prints the manual page',
    description: 'Installed from npm with --global it is also what man jwksd shows.',
    options: {},
    example: 'jwksd man > jwksd.1',
    run: async (_, io) => (await import('./man.ts')).man(io, commands()),
  },
];
