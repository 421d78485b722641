import { loadConfig, type Loaded } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { JwksdError } from '../errors.ts';
import { text, texts, type Io, type Parsed } from './command.ts';

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
