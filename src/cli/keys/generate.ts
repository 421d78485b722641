import path from 'node:path';
import { isSet, text, type Io, type Parsed } from '../command.ts';
import { keyFiles, writeKeyFiles } from './key-files.ts';
import { createSigningPair } from './key-pair.ts';

/** Runs `jwksd keys generate`: a key pair in files, the public half ready to be served. */
export const generate = async (parsed: Parsed, io: Io): Promise<number> => {
  const files = keyFiles(path.resolve(io.cwd, text(parsed, 'dir') ?? '.'), text(parsed, 'name') ?? 'key');
  const pair = await createSigningPair(
    text(parsed, 'alg') ?? 'ES256',
    Number(text(parsed, 'bits') ?? '3072'),
    text(parsed, 'kid'),
  );
  await writeKeyFiles(files, pair, isSet(parsed, 'force'));
  if (isSet(parsed, 'json')) {
    io.stdout.write(`${JSON.stringify({ ...files, jwk: pair.key.jwk }, undefined, 2)}\n`);
    return 0;
  }
  const shown = (file: string): string => path.relative(io.cwd, file) || file;
  io.stdout.write(
    `private key  ${shown(files.privateKey)}  (PKCS#8, for the signer only)\n` +
      `public key   ${shown(files.publicJwk)}\n` +
      `JWK Set      ${shown(files.jwkSet)}\n` +
      `kid          ${pair.key.jwk.kid ?? ''}\n`,
  );
  io.stderr.write(`\nPublish it:  jwksd serve --keys ${shown(path.dirname(files.jwkSet))}\n`);
  return 0;
};
