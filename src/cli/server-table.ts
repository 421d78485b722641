import type { Command, OptionSpec } from './command.ts';

/** The options of every command that reads the configuration. */
const configFlags = {
  config: {
    type: 'string',
    value: 'FILE',
    short: 'c',
    help: 'configuration (else $JWKSD_CONFIG, /etc/jwksd/jwksd.yaml)',
  },
  keys: { type: 'string', value: 'DIR', help: 'serve the keys of this file or directory' },
  upstream: {
    type: 'string',
    value: '[NAME=]URL',
    multiple: true,
    help: 'mirror this jwks_uri, or issuer:URL',
  },
  host: { type: 'string', value: 'HOST', help: 'address of the public listener' },
  port: { type: 'string', value: 'PORT', help: 'port of the public listener (default 8080)' },
  'ops-port': { type: 'string', value: 'PORT', help: 'port of the ops listener (default 9464)' },
  'log-level': {
    type: 'string',
    value: 'LEVEL',
    choices: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    help: 'how much is logged',
  },
} as const satisfies Record<string, OptionSpec>;

/** The commands around the service. What they do is loaded when one of them runs. */
export const serverCommands: readonly Command[] = [
  {
    name: 'serve',
    summary: 'publishes the keys',
    description:
      'Without a configuration, --keys and --upstream describe the commonest services; without those either, a key\n' +
      'pair is made in ./data and served. SIGHUP reads the configuration again, SIGTERM ends in order.',
    options: configFlags,
    example: 'jwksd serve --upstream https://sso.example.org/realms/main/protocol/openid-connect/certs',
    run: async (parsed, io) => await (await import('./serve.ts')).serve(parsed, io),
  },
  {
    name: 'check',
    summary: 'loads the configuration, asks every source once, judges every set for its clients',
    options: {
      ...configFlags,
      offline: { type: 'boolean', help: 'ask no upstream; judge the keys remembered from the last run' },
      strict: { type: 'boolean', help: 'exit 1 on warnings too' },
      json: { type: 'boolean', help: 'print the result as JSON' },
    },
    example: 'jwksd check --config /etc/jwksd/jwksd.yaml',
    run: async (parsed, io) => await (await import('./check.ts')).check(parsed, io),
  },
];

/** The `config` commands. */
export const configCommands: readonly Command[] = [
  {
    name: 'config print',
    summary: 'prints the configuration in effect, with the origin of each value and secrets masked',
    options: { ...configFlags, json: { type: 'boolean', help: 'print it as JSON' } },
    example: 'JWKSD_SERVER__PORT=9000 jwksd config print',
    run: async (parsed, io) => await (await import('./config.ts')).printConfiguration(parsed, io),
  },
  {
    name: 'config schema',
    summary: 'prints the JSON Schema of the configuration file',
    options: {},
    example: 'jwksd config schema > jwksd.schema.json',
    run: async (_, io) => (await import('./config.ts')).printSchema(io),
  },
];
