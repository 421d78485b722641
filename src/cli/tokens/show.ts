import { JwksdError } from '../../errors.ts';
import { isSet, type Io, type Parsed } from '../command.ts';
import { readDocument } from '../document.ts';
import { exists } from '../keys/key-files.ts';
import { shown, tokenDirectory, tokenFile } from './directory.ts';
import { longestText } from './token-operand.ts';
import { printable } from '../printable.ts';

/** Runs `jwksd tokens show`: a saved token. @throws {JwksdError} `failed` when there is none. */
export const show = async (parsed: Parsed, io: Io): Promise<number> => {
  const [name, ...more] = parsed.operands;
  if (name === undefined || more.length > 0) {
    throw new JwksdError('usage', 'tokens show takes one NAME: system, or the SUBJECT of tokens create');
  }
  const file = tokenFile(tokenDirectory(parsed, io), name);
  if (!(await exists(file))) {
    throw new JwksdError(
      'failed',
      `${shown(file, io)} does not exist; make it with jwksd tokens create ${name}`,
    );
  }
  const { bytes } = await readDocument(file, io, { limit: longestText });
  const token = bytes.toString('utf8').trim();
  io.stdout.write(isSet(parsed, 'json') ? `${printable({ name, file, token })}\n` : `${token}\n`);
  return 0;
};
