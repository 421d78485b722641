import path from 'node:path';
import { JwksdError } from '../errors.ts';
import { kidDigest } from '../jwk/kid-digest.ts';
import { isSet, text, type Command } from './command.ts';
import { keyFiles, writeKeyFiles } from './key-files.ts';
import { createSigningPair, signingAlgorithms } from './key-pair.ts';

/** `jwksd keys generate`: a key pair in files, the public half ready to be served. */
export const keysGenerate: Command = {
  name: 'keys generate',
  summary: 'makes a key pair: the private PEM for the signer, the public JWK for jwksd',
  description:
    'Writes keys/NAME_private.pem (PKCS#8, mode 0600), outputs/NAME_public.jwk.json, and adds the public key to\noutputs/jwks.json. The kid is the thumbprint (RFC 7638) unless --kid says otherwise.',
  options: {
    alg: { type: 'string', value: 'ALG', help: `${signingAlgorithms.join(', ')} (default ES256)` },
    bits: { type: 'string', value: 'N', help: 'size of an RSA key (default 3072)' },
    name: { type: 'string', value: 'NAME', help: 'what the files are called (default key)' },
    dir: { type: 'string', value: 'DIR', help: 'where keys/ and outputs/ are (default .)' },
    kid: { type: 'string', value: 'KID', help: 'the key ID, instead of the thumbprint' },
    force: { type: 'boolean', help: 'replace files of this name' },
    json: { type: 'boolean', help: 'print the public JWK and the file names as JSON' },
  },
  example: 'jwksd keys generate --name opencast --alg ES256',
  run: async (parsed, io) => {
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
  },
};

/** `jwksd keys digest`: the name under which Jitsi asks for a key. */
export const keysDigest: Command = {
  name: 'keys digest',
  summary: 'prints the SHA-256 of a kid in hex: the file name Jitsi asks for',
  operands: 'KID',
  options: {},
  example: 'jwksd keys digest 1DKOk8q4Dc9BSgDLmksFemg5lEGuoYQvYrHVOnXNj3k',
  run: (parsed, io) => {
    const [kid, ...more] = parsed.operands;
    if (kid === undefined || more.length > 0) {
      return Promise.reject(
        new JwksdError('usage', 'keys digest takes one KID; put -- before one that starts with -'),
      );
    }
    io.stdout.write(`${kidDigest(kid)}\n`);
    return Promise.resolve(0);
  },
};
