import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe } from 'vitest';
import { missing } from '../tools/programs.ts';
import { guards } from './guards.ts';

const why = missing('caddy', ['version'], 'caddy');

describe.skipIf(why !== '')(`Caddy${why}`, () => {
  guards(
    'forward_auth',
    {
      block: { heading: 'Caddy', language: 'caddyfile' },
      prepare: async (block, directory) => {
        const file = path.join(directory, 'Caddyfile');
        await writeFile(file, `{\n\tadmin off\n\tauto_https off\n}\n${block}`);
        return { command: 'caddy', args: ['run', '--adapter', 'caddyfile', '--config', file] };
      },
    },
    { down: 502, passesRefusals: true, appendsQuery: false },
  );
});
