import type { Command, Io, Parsed } from '../command.ts';
import { JwksdError } from '../../errors.ts';
import { bashCompletion } from './bash.ts';
import { fishCompletion } from './fish.ts';
import { zshCompletion } from './zsh.ts';

const writers: Readonly<Record<string, (commands: readonly Command[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** Runs `jwksd completion`: the script of one shell. @throws {JwksdError} `usage` for other than one shell. */
export const completion = (parsed: Parsed, io: Io, commands: readonly Command[]): number => {
  const [shell = '', ...more] = parsed.operands;
  const write = writers[shell];
  if (write === undefined || more.length > 0) {
    throw new JwksdError('usage', 'completion takes the name of one shell: bash, zsh or fish');
  }
  io.stdout.write(write(commands));
  return 0;
};
