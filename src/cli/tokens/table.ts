import type { Command } from '../command.ts';
import { algorithmTypes } from '../keys/choices.ts';

const directory = {
  type: 'string',
  value: 'DIR',
  help: 'where the key and the tokens are (default .auth)',
} as const;

const jwks = {
  type: 'string',
  value: 'FILE|URL',
  help: 'the keys: a JWK Set, or any other form of public key',
} as const;

/** The `tokens` commands. What they do is loaded when one of them runs. */
export const tokensCommands: readonly Command[] = [
  {
    name: 'tokens init',
    summary: 'makes a key pair and the system token of an Okera-style service',
    description:
      'Writes id_rsa (RSA-4096, PKCS#8, mode 0600), id_rsa.pub (0644) and system.token (0600: sub okera, groups root,\nRS512, 100 days). Nothing is overwritten.',
    options: {
      dir: directory,
      json: { type: 'boolean', help: 'print the file names and the public JWK as JSON' },
    },
    example: 'jwksd tokens init --dir .auth',
    run: async (parsed, io) => await (await import('./init.ts')).init(parsed, io),
  },
  {
    name: 'tokens create',
    summary: 'makes a token as Okera, Moodle, Opencast, Tobira or Jitsi have them',
    description:
      'Signs with --key FILE, else with DIR/id_rsa. GROUP becomes groups in the profile okera, roles in the others.\nThe profile okera saves DIR/SUBJECT.token (0600), the others print the token.',
    operands: '[SUBJECT [GROUP…]]',
    options: {
      profile: {
        type: 'string',
        value: 'PROFILE',
        choices: ['okera', 'moodle', 'opencast', 'tobira', 'jitsi'],
        help: 'the system it is for (default okera)',
      },
      key: { type: 'string', value: 'FILE', help: 'the private key: PEM, JWK or OpenSSH' },
      'passphrase-file': {
        type: 'string',
        value: 'FILE',
        help: 'open the key with the first line of FILE',
      },
      dir: directory,
      ttl: {
        type: 'string',
        value: 'TIME',
        help: 'valid for so long: 15s, 10m, 8h, 30d (default: that of the profile)',
      },
      iss: { type: 'string', value: 'ISSUER', help: 'the claim iss' },
      aud: { type: 'string', value: 'AUDIENCE', multiple: true, help: 'the claim aud' },
      kid: {
        type: 'string',
        value: 'KID',
        help: 'name the key in the header; picks the key where FILE has several',
      },
      alg: {
        type: 'string',
        value: 'ALG',
        choices: Object.keys(algorithmTypes),
        help: 'sign with this (default: that of the key; RS512 for okera, RS256 for jitsi)',
      },
      claim: {
        type: 'string',
        value: 'NAME=VALUE',
        multiple: true,
        help: 'one more claim; VALUE is JSON where it reads as JSON, else text',
      },
      event: {
        type: 'string',
        value: 'ID:read,write',
        multiple: true,
        help: 'opencast, moodle, tobira: what may be done with an event',
      },
      course: { type: 'string', value: 'N', help: 'opencast, moodle, tobira: the role N_Learner' },
      instructor: { type: 'boolean', help: 'with --course: N_Instructor instead' },
      room: { type: 'string', value: 'ROOM', help: 'jitsi: the room (default * for any)' },
      force: { type: 'boolean', help: 'replace DIR/SUBJECT.token' },
      json: { type: 'boolean', help: 'print token, header and claims as JSON' },
    },
    example:
      'jwksd tokens create --profile moodle --key keys/opencast_private.pem --course 5 --event ID:read',
    run: async (parsed, io) => await (await import('./create.ts')).create(parsed, io),
  },
  {
    name: 'tokens show',
    summary: 'prints a saved token',
    operands: 'NAME',
    options: {
      dir: directory,
      json: { type: 'boolean', help: 'print name, file and token as JSON' },
    },
    example: 'jwksd tokens show system',
    run: async (parsed, io) => await (await import('./show.ts')).show(parsed, io),
  },
  {
    name: 'tokens inspect',
    summary: 'prints what a token says, and who would stumble over it; verifies nothing',
    operands: 'TOKEN|-',
    options: {
      jwks: { ...jwks, help: 'look for its kid in this JWK Set' },
      json: { type: 'boolean', help: 'print header, claims and warnings as JSON' },
    },
    example: 'jwksd tokens inspect - < .auth/system.token',
    run: async (parsed, io) => await (await import('./inspect.ts')).inspect(parsed, io),
  },
  {
    name: 'tokens verify',
    summary: 'verifies signature and dates of a token, and says what to do when they are wrong',
    operands: 'TOKEN|-',
    options: {
      jwks,
      json: { type: 'boolean', help: 'print the verdict as JSON' },
    },
    example: 'jwksd tokens verify - --jwks http://127.0.0.1:8080/.well-known/jwks.json < .auth/system.token',
    run: async (parsed, io) => await (await import('./verify.ts')).verify(parsed, io),
  },
];
