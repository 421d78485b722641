import { systemClock } from '../../clock.ts';
import { JwksdError } from '../../errors.ts';
import { inspectToken } from '../../tokens/inspect.ts';
import { isSet, text, type Io, type Parsed } from '../command.ts';
import { styled } from '../style.ts';
import { readKeySet } from './key-set.ts';
import { printable } from '../printable.ts';
import { longestText, readToken } from './token-operand.ts';

/**
 * Runs `jwksd tokens inspect`: what a token says, unverified. Warnings leave the exit code at 0.
 *
 * @throws {JwksdError} `failed` for what is no token.
 */
export const inspect = async (parsed: Parsed, io: Io): Promise<number> => {
  const token = await readToken('tokens inspect', parsed, io);
  const where = text(parsed, 'jwks');
  const keys = where === undefined ? undefined : (await readKeySet(where, io)).keys;
  const now = systemClock.wall() / 1000;
  const inspection = inspectToken(token, { now, limit: longestText, keys });
  if (!inspection.ok) throw new JwksdError('failed', inspection.detail);
  const { header, claims, warnings } = inspection;
  if (isSet(parsed, 'json')) {
    io.stdout.write(`${printable({ header, claims, warnings })}\n`);
    return 0;
  }
  const style = styled(io, 'stdout');
  io.stdout.write(`${style('strong', 'header')}\n${printable(header)}\n`);
  io.stdout.write(`${style('strong', 'claims')}\n${printable(claims)}\n`);
  for (const { code, detail } of warnings)
    io.stdout.write(`${style('warning', `warning ${code}`)}: ${detail}\n`);
  io.stderr.write('read and not verified: jwksd tokens verify does that\n');
  return 0;
};
