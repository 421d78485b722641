import { stat } from 'node:fs/promises';
import { JwksdError } from '../../errors.ts';
import { mintToken } from '../../tokens/mint.ts';
import { okera } from '../../tokens/profiles/okera.ts';
import { isSet, type Io, type Parsed } from '../command.ts';
import { exists } from '../keys/key-files.ts';
import { createSigningPair } from '../keys/key-pair.ts';
import { makeTokenDirectory, shown, tokenDirectory, writeTokenFile } from './directory.ts';
import { emptyRequest, minting } from './minting.ts';
import { printable } from '../printable.ts';

const wayOut = 'choose another --dir, or move the old files away';

/**
 * Runs `jwksd tokens init`: the key pair and the system token of an Okera-style service.
 *
 * @throws {JwksdError} `failed` when one of the files is there.
 */
export const init = async (parsed: Parsed, io: Io): Promise<number> => {
  const directory = tokenDirectory(parsed, io);
  const { privateKey, publicKey, systemToken } = directory;
  for (const file of [privateKey, publicKey, systemToken]) {
    if (await exists(file)) {
      throw new JwksdError('failed', `${shown(file, io)} exists and is not overwritten; ${wayOut}`);
    }
  }
  const pair = await createSigningPair('RS512', { bits: 4096 });
  const request = { ...emptyRequest, subject: 'okera', groups: ['root'] };
  const minted = await mintToken(okera, request, pair, minting());
  if (!minted.ok) throw new JwksdError('failed', minted.detail);

  await makeTokenDirectory(directory.path);
  const { mode } = await stat(directory.path);
  if ((mode & 0o022) !== 0) {
    const next = 'close it with chmod 700';
    io.stderr.write(`note: others may replace files in ${shown(directory.path, io)}; ${next}\n`);
  }
  await writeTokenFile(privateKey, pair.privatePem, { mode: 0o600, replace: false, wayOut }, io);
  await writeTokenFile(publicKey, pair.key.pem ?? '', { mode: 0o644, replace: false, wayOut }, io);
  await writeTokenFile(systemToken, minted.token, { mode: 0o600, replace: false, wayOut }, io);
  if (isSet(parsed, 'json')) {
    const files = { privateKey, publicKey, systemToken };
    io.stdout.write(`${printable({ ...files, jwk: pair.key.jwk, claims: minted.claims })}\n`);
    return 0;
  }
  io.stdout.write(
    `private key   ${shown(privateKey, io)}  (PKCS#8, for the signer only)\n` +
      `public key    ${shown(publicKey, io)}\n` +
      `system token  ${shown(systemToken, io)}  (sub okera, groups root)\n`,
  );
  if (minted.advice !== undefined) io.stderr.write(`warning: ${minted.advice}\n`);
  return 0;
};
