import type { Command } from '../command.ts';
import { clientIds } from './model.ts';

/** The entry of `jwksd doctor` in the command table. */
export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'asks a live server what each client asks, and says which keys it would take',
  operands: 'URL',
  description:
    'Asks as Octoka, Opencast, Jitsi or a generic verifier does: its headers, its time and size limits, its key choice.\n' +
    'Exit 1 when a client gets no usable key, or refuses the token: with --as in any of its versions, without in all.',
  options: {
    as: {
      type: 'string',
      value: 'CLIENT',
      choices: clientIds,
      help: 'octoka, opencast, jitsi or generic, or one version of it (default: all that make sense)',
    },
    kid: {
      type: 'string',
      value: 'KID',
      help: 'look at this key only; with jitsi, URL may then be the base of the PEMs',
    },
    token: {
      type: 'string',
      value: 'TOKEN',
      help: 'verify this token as the client would; - reads it from stdin',
    },
    strict: { type: 'boolean', help: 'exit 1 on warnings too' },
    json: { type: 'boolean', help: 'print the result as JSON' },
  },
  example: 'jwksd doctor https://keys.example.org/.well-known/jwks.json --as octoka',
  run: async (parsed, io) => await (await import('./doctor.ts')).doctor(parsed, io),
};
