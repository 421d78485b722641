import type { Command } from '../command.ts';
import { algorithmTypes, clientNames, formatNames } from './choices.ts';

const passphraseFile = {
  type: 'string',
  value: 'FILE',
  help: 'open what is encrypted with the first line of FILE',
} as const;

/** The `keys` commands. What they do is loaded when one of them runs. */
export const keysCommands: readonly Command[] = [
  {
    name: 'keys generate',
    summary: 'makes a key pair: the private PEM for the signer, the public JWK for jwksd',
    description:
      'Writes keys/NAME_private.pem (PKCS#8, mode 0600), outputs/NAME_public.jwk.json, and adds the public key to\noutputs/jwks.json. The kid is the thumbprint (RFC 7638) unless --kid says otherwise.\nOn a terminal and without options it asks for type, algorithm and name.',
    options: {
      alg: {
        type: 'string',
        value: 'ALG',
        choices: Object.keys(algorithmTypes),
        help: 'what the pair signs with (default ES256, or what --for prefers); ML-DSA needs Node.js 24',
      },
      bits: { type: 'string', value: 'N', help: 'size of an RSA key (default 3072)' },
      name: {
        type: 'string',
        value: 'NAME',
        help: 'what the files are called (default: as in --for, else key)',
      },
      dir: { type: 'string', value: 'DIR', help: 'where keys/ and outputs/ are (default .)' },
      kid: { type: 'string', value: 'KID', help: 'the key ID, instead of the thumbprint' },
      for: {
        type: 'string',
        value: 'CLIENT',
        choices: clientNames,
        help: 'refuses what this client cannot use, and says what to paste where',
      },
      compat: {
        type: 'string',
        value: 'COMPAT',
        choices: ['legacy'],
        help: 'with --for: an EC key that also Opencast up to 18 on newer Java takes',
      },
      encrypt: { type: 'boolean', help: 'encrypt the private key; asks for a passphrase' },
      'passphrase-file': {
        type: 'string',
        value: 'FILE',
        help: 'encrypt with the first line of FILE, - for stdin',
      },
      force: { type: 'boolean', help: 'replace files of this name, and in the set the key they held' },
      json: { type: 'boolean', help: 'print the public JWK and the file names as JSON' },
    },
    example: 'jwksd keys generate --name opencast --alg ES256',
    run: async (parsed, io) => await (await import('./generate.ts')).generate(parsed, io),
  },
  {
    name: 'keys convert',
    summary: 'writes keys in another form: JWK, JWK Set, SPKI, PKCS#8, PKCS#1, SEC1',
    description:
      'Reads PEM (also encrypted), JWK, JWK Set, certificate, OpenSSH public and private key. Only public keys are\nwritten, unless --private is there.',
    operands: 'FILE|-',
    options: {
      to: { type: 'string', value: 'FORM', choices: formatNames, help: 'what to write (default jwk)' },
      private: { type: 'boolean', help: 'write the private key; pkcs8 and sec1 need this' },
      out: {
        type: 'string',
        short: 'o',
        value: 'FILE',
        help: 'write to FILE, 0600 with --private, instead of stdout',
      },
      force: { type: 'boolean', help: 'replace FILE' },
      'passphrase-file': passphraseFile,
    },
    example: 'jwksd keys convert keys/opencast_private.pem --to spki',
    run: async (parsed, io) => await (await import('./convert.ts')).convert(parsed, io),
  },
  {
    name: 'keys thumbprint',
    summary: 'prints the RFC 7638 thumbprint of each key of a file',
    operands: 'FILE|-',
    options: {
      json: { type: 'boolean', help: 'print thumbprint, kid and kty of each key as JSON' },
      'passphrase-file': passphraseFile,
    },
    example: 'jwksd keys thumbprint outputs/jwks.json',
    run: async (parsed, io) => await (await import('./thumbprint.ts')).thumbprint(parsed, io),
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
