import { clients } from '../../jwk/lint-rules.ts';
import type { Command } from '../command.ts';

const profiles = ['generic', 'jitsi', 'opencast', 'full'];

/** The `jwks` commands. What they do is loaded when one of them runs. */
export const jwksCommands: readonly Command[] = [
  {
    name: 'jwks build',
    summary: 'makes one JWK Set of key files',
    operands: 'FILE…',
    description:
      'Reads JWK, JWK Set, PEM, certificate and OpenSSH files (- is stdin) and writes their public halves. When one file\n' +
      'cannot be used, nothing is written. An existing output file is replaced in one step.',
    options: {
      output: { type: 'string', value: 'FILE', short: 'o', help: 'the file to write (default stdout)' },
      alg: {
        type: 'string',
        value: 'ALG',
        choices: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
        help: 'of the RSA keys that name none',
      },
      profile: {
        type: 'string',
        value: 'PROFILE',
        choices: profiles,
        help: 'write only what the clients of this profile can read',
      },
    },
    example: 'jwksd jwks build moodle.pub.pem tobira.jwk.json -o jwks.json',
    run: async (parsed, io) => await (await import('./build.ts')).build(parsed, io),
  },
  {
    name: 'jwks diff',
    summary: 'tells which keys two JWK Sets do not share, and which members differ',
    operands: 'FILE|URL FILE|URL',
    description:
      'Keys are matched by thumbprint, then by kid; their order does not count. Exit code: 0 equal, 1 not.',
    options: { json: { type: 'boolean', help: 'print the differences as JSON' } },
    example: 'jwksd jwks diff jwks.json https://keys.example.org/.well-known/jwks.json',
    run: async (parsed, io) => await (await import('./diff.ts')).diff(parsed, io),
  },
  {
    name: 'jwks lint',
    summary: 'judges a JWK Set: what breaks it, and which client stumbles over what',
    operands: 'FILE|URL',
    description:
      'A URL is judged with the way it answers. Exit code: 0 without errors, 1 with, and under --strict 1 on warnings too.',
    options: {
      profile: {
        type: 'string',
        value: 'PROFILE',
        choices: profiles,
        help: 'judge for the clients of this profile (default all clients)',
      },
      as: {
        type: 'string',
        value: 'CLIENT',
        multiple: true,
        choices: clients,
        help: 'judge for this client',
      },
      previous: { type: 'string', value: 'FILE', help: 'an earlier copy: tells a kid that is used again' },
      strict: { type: 'boolean', help: 'exit 1 on warnings too' },
      json: { type: 'boolean', help: 'print the findings as JSON' },
      sarif: { type: 'boolean', help: 'print the findings as SARIF 2.1.0, for code scanning' },
    },
    example: 'jwksd jwks lint https://keys.example.org/.well-known/jwks.json --profile opencast',
    run: async (parsed, io) => await (await import('./lint.ts')).lint(parsed, io),
  },
];
