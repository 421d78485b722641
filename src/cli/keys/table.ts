import type { Command } from '../command.ts';

/** The `keys` commands. What they do is loaded when one of them runs. */
export const keysCommands: readonly Command[] = [
  {
    name: 'keys generate',
    summary: 'makes a key pair: the private PEM for the signer, the public JWK for jwksd',
    description:
      'Writes keys/NAME_private.pem (PKCS#8, mode 0600), outputs/NAME_public.jwk.json, and adds the public key to\noutputs/jwks.json. The kid is the thumbprint (RFC 7638) unless --kid says otherwise.',
    options: {
      alg: {
        type: 'string',
        value: 'ALG',
        help: 'ES256, ES384, ES512, RS256 to RS512, PS256 to PS512, EdDSA (default ES256)',
      },
      bits: { type: 'string', value: 'N', help: 'size of an RSA key (default 3072)' },
      name: { type: 'string', value: 'NAME', help: 'what the files are called (default key)' },
      dir: { type: 'string', value: 'DIR', help: 'where keys/ and outputs/ are (default .)' },
      kid: { type: 'string', value: 'KID', help: 'the key ID, instead of the thumbprint' },
      force: { type: 'boolean', help: 'replace files of this name' },
      json: { type: 'boolean', help: 'print the public JWK and the file names as JSON' },
    },
    example: 'jwksd keys generate --name opencast --alg ES256',
    run: async (parsed, io) => await (await import('./generate.ts')).generate(parsed, io),
  },
  {
    name: 'keys digest',
    summary: 'prints the SHA-256 of a kid in hex: the file name Jitsi asks for',
    operands: 'KID',
    options: {},
    example: 'jwksd keys digest 1DKOk8q4Dc9BSgDLmksFemg5lEGuoYQvYrHVOnXNj3k',
    run: async (parsed, io) => (await import('./digest.ts')).digest(parsed, io),
  },
];
