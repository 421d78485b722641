import { JwksdError } from '../../errors.ts';
import { isSet, type Io, type Parsed } from '../command.ts';
import { readKeys } from '../read-keys.ts';
import { masked, printable } from '../printable.ts';

/** Runs `jwksd keys thumbprint`: the RFC 7638 thumbprint of each key, a line each, in the order of the file. */
export const thumbprint = async (parsed: Parsed, io: Io): Promise<number> => {
  const { keys, problems, name } = await readKeys('keys thumbprint', parsed, io);
  if (isSet(parsed, 'json')) {
    const list = keys.map((key) => ({
      thumbprint: key.thumbprint,
      kid: key.jwk.kid,
      kty: key.jwk.kty,
    }));
    io.stdout.write(`${printable(list)}\n`);
  } else {
    io.stdout.write(keys.map((key) => `${key.thumbprint}\n`).join(''));
  }
  if (problems.length === 0 && keys.length === 0) throw new JwksdError('failed', `${name} holds no key`);
  for (const problem of problems) io.stderr.write(`jwksd: ${masked(problem)}\n`);
  return problems.length === 0 ? 0 : 1;
};
