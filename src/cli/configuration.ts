import { loadConfig, type Loaded } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { JwksdError } from '../errors.ts';
import { text, texts, type Io, type OptionSpec, type Parsed } from './command.ts';

/** The options of every command that reads the configuration. */
export const configFlags = {
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
  'log-level': { type: 'string', value: 'LEVEL', help: 'fatal, error, warn, info, debug, trace or silent' },
} as const satisfies Record<string, OptionSpec>;

/** The configuration these options lead to. @throws {JwksdError} `config_invalid` that names every problem. */
export const loadOrThrow = async (parsed: Parsed, io: Io): Promise<Loaded> => {
  const flags = {
    config: text(parsed, 'config'),
    keys: text(parsed, 'keys'),
    upstream: texts(parsed, 'upstream'),
    host: text(parsed, 'host'),
    port: text(parsed, 'port'),
    opsPort: text(parsed, 'ops-port'),
    logLevel: text(parsed, 'log-level'),
  };
  const result = await loadConfig({ flags, env: io.env, cwd: io.cwd });
  if (result.ok) return result;
  const { problems } = result;
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  throw new JwksdError(
    'config_invalid',
    `the configuration has ${count}:\n${problems.map((problem) => `  ${formatProblem(problem)}`).join('\n')}`,
  );
};
