import { JwksdError } from '../../errors.ts';
import type { SigningKey } from '../../tokens/mint.ts';
import { text, type Io, type Parsed } from '../command.ts';
import { exists } from '../keys/key-files.ts';
import { readKeyFile } from '../read-keys.ts';
import { shown, type TokenDirectory } from './directory.ts';

/**
 * The key that `--key` names, else that of the directory; of several the one that `--kid` names.
 *
 * @throws {JwksdError} `failed` when there is no private key to sign with, `usage` when there are several.
 */
export const readSigningKey = async (
  parsed: Parsed,
  directory: TokenDirectory,
  io: Io,
): Promise<SigningKey> => {
  const given = text(parsed, 'key');
  if (given === undefined && !(await exists(directory.privateKey))) {
    const file = shown(directory.privateKey, io);
    throw new JwksdError(
      'failed',
      `${file} does not exist; make it with jwksd tokens init, or give --key FILE`,
    );
  }
  const where = given ?? shown(directory.privateKey, io);
  const { name, keys, problems, privates } = await readKeyFile(where, text(parsed, 'passphrase-file'), io);
  const halves = keys.map((key) => ({ key, half: privates.of(key) }));
  const signers = halves.flatMap(({ key, half }) => ('reason' in half ? [] : [{ key, privateKey: half }]));
  const kid = text(parsed, 'kid');
  const [only, ...more] = signers;
  if (only !== undefined && more.length === 0) return only;
  if (only !== undefined) {
    const named = signers.find(({ key }) => key.jwk.kid === kid);
    if (named !== undefined) return named;
    const kids = signers.map(({ key }) => key.jwk.kid ?? key.thumbprint).join(', ');
    throw new JwksdError(
      'usage',
      `${name} has ${signers.length} private keys: choose with --kid one of ${kids}`,
    );
  }
  const [problem] = problems;
  if (problem !== undefined) throw new JwksdError('failed', problem);
  const [first] = halves;
  const why = first !== undefined && 'reason' in first.half ? first.half.detail : 'there is no key in it';
  throw new JwksdError('failed', `${name}: ${why}; a token is signed with a private key`);
};
