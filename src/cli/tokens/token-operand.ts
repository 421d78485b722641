import { JwksdError } from '../../errors.ts';
import type { Io, Parsed } from '../command.ts';
import { readDocument } from '../document.ts';

/** More than any token has; enough to say of a huge one that it is huge. */
export const longestText = 2 * 1024 * 1024;

/**
 * The token that is the one operand of a command, or on stdin, without the white space a shell or an editor put around it.
 *
 * @throws {JwksdError} `usage` for other than one, `failed` when stdin is too long.
 */
export const readToken = async (command: string, parsed: Parsed, io: Io): Promise<string> => {
  const [operand, ...more] = parsed.operands;
  if (operand === undefined || more.length > 0) {
    throw new JwksdError('usage', `${command} takes one TOKEN, or - for stdin. See jwksd ${command} --help`);
  }
  if (operand !== '-') return operand.trim();
  const { bytes } = await readDocument('-', io, { limit: longestText });
  return bytes.toString('utf8').trim();
};
