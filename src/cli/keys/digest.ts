import { JwksdError } from '../../errors.ts';
import { kidDigest } from '../../jwk/kid-digest.ts';
import type { Io, Parsed } from '../command.ts';

/** Runs `jwksd keys digest`: the name under which Jitsi asks for a key. @throws {JwksdError} `usage` for other than one KID. */
export const digest = (parsed: Parsed, io: Io): number => {
  const [kid, ...more] = parsed.operands;
  if (kid === undefined || more.length > 0) {
    throw new JwksdError('usage', 'keys digest takes one KID; put -- before one that starts with -');
  }
  io.stdout.write(`${kidDigest(kid)}\n`);
  return 0;
};
