import { JwksdError } from '../../errors.ts';
import { mintToken } from '../../tokens/mint.ts';
import { tokenProfiles } from '../../tokens/profiles/all.ts';
import { okera } from '../../tokens/profiles/okera.ts';
import { isSet, text, type Io, type Parsed } from '../command.ts';
import { makeTokenDirectory, shown, tokenDirectory, tokenFile, writeTokenFile } from './directory.ts';
import { minting } from './minting.ts';
import { requestOf } from './request.ts';
import { readSigningKey } from './signing-key.ts';
import { printable } from '../printable.ts';

/**
 * Runs `jwksd tokens create`.
 *
 * @throws {JwksdError} `usage` for what the profile or the key does not allow, `failed` when a file is missing or in the
 * way.
 */
export const create = async (parsed: Parsed, io: Io): Promise<number> => {
  const profile = tokenProfiles.get(text(parsed, 'profile') ?? okera.name) ?? okera;
  const request = requestOf(parsed);
  const directory = tokenDirectory(parsed, io);
  const file =
    profile === okera && request.subject !== undefined ? savedFile(directory, request.subject) : undefined;
  if (isSet(parsed, 'force') && profile !== okera) {
    throw new JwksdError('usage', '--force is for the profile okera; the others print the token');
  }
  const signer = await readSigningKey(parsed, directory, io);
  const minted = await mintToken(profile, request, signer, minting());
  if (!minted.ok) throw new JwksdError('usage', minted.detail);
  const { token, header, claims, advice } = minted;
  if (file !== undefined) {
    await makeTokenDirectory(directory.path);
    const wayOut = 'replace it with --force, or choose another SUBJECT or --dir';
    await writeTokenFile(file, token, { mode: 0o600, replace: isSet(parsed, 'force'), wayOut }, io);
    io.stderr.write(`saved ${shown(file, io)}\n`);
  }
  if (advice !== undefined) io.stderr.write(`warning: ${advice}\n`);
  if (isSet(parsed, 'json')) {
    const saved = file === undefined ? {} : { file };
    io.stdout.write(`${printable({ ...saved, token, header, claims })}\n`);
  } else if (file === undefined) {
    io.stdout.write(`${token}\n`);
  }
  return 0;
};

const savedFile = (directory: ReturnType<typeof tokenDirectory>, subject: string): string => {
  // On some file systems these are one name.
  if (subject.toLowerCase() === 'system') {
    throw new JwksdError(
      'usage',
      'SUBJECT system would overwrite system.token, which tokens init makes; choose another SUBJECT',
    );
  }
  return tokenFile(directory, subject);
};
