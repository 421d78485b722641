import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe } from 'vitest';
import { missing } from '../tools/programs.ts';
import { guards } from './guards.ts';

const why = missing('/usr/sbin/nginx', ['-v'], 'nginx-light');

describe.skipIf(why !== '')(`nginx${why}`, () => {
  guards(
    'auth_request',
    {
      block: { heading: 'nginx', language: 'nginx' },
      prepare: async (block, directory) => {
        const file = path.join(directory, 'nginx.conf');
        const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
          .map((name) => `${name}_temp_path ${directory}/${name};`)
          .join('\n');
        // Its workers write large bodies into the directory, which belongs to whoever runs the tests.
        const user = process.getuid?.() === 0 ? 'user root;' : '';
        // The page shows what goes into `http`; around it stands what Debian's nginx.conf has, with other paths.
        await writeFile(
          file,
          `${user} daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log stderr warn;
events { worker_connections 512; }
http {
access_log off; client_max_body_size 10m;
${temporary}
${block}
}
`,
        );
        return { command: '/usr/sbin/nginx', args: ['-p', directory, '-c', file] };
      },
    },
    { down: 500, passesRefusals: false, appendsQuery: false },
  );
});
