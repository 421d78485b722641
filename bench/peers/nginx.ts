import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isInstalled } from '../support/load.ts';
import { workDirectory } from '../support/keys.ts';
import { startServer, type Answer, type Server } from '../support/process.ts';

/** A file as nginx should send it. */
export interface StaticFile {
  readonly path: string;
  readonly answer: Answer;
  /** The bytes of a `.gz` beside it. */
  readonly gzip?: Buffer;
}

/** Headers that nginx makes itself. */
const own = new Set(['content-length', 'last-modified', 'etag', 'date', 'connection', 'keep-alive']);

/** The header lines of an answer as pairs. */
const pairs = (headers: readonly string[]): readonly (readonly [string, string])[] =>
  Array.from({ length: headers.length / 2 }, (_, index) => [
    headers[2 * index] ?? '',
    headers[2 * index + 1] ?? '',
  ]);

const location = (root: string, file: StaticFile, index: number): string => {
  const name = path.join(root, `file-${index}`);
  writeFileSync(name, file.answer.body);
  if (file.gzip !== undefined) writeFileSync(`${name}.gz`, file.gzip);
  const lines = pairs(file.answer.headers)
    .filter(([header]) => !own.has(header.toLowerCase()))
    .map(([header, value]) =>
      header.toLowerCase() === 'content-type'
        ? `default_type "${value}";`
        : `add_header ${header} "${value}";`,
    );
  return [
    `location = ${file.path} {`,
    'types {}',
    `alias ${name};`,
    file.gzip === undefined ? '' : 'gzip_static on;',
    ...lines,
    '}',
  ].join('\n');
};

/** nginx as a file server: one process, files kept open, nothing logged. Undefined where nginx is not installed. */
export const startNginx = async (files: readonly StaticFile[]): Promise<Server | undefined> => {
  if (!isInstalled('nginx', '-v')) return undefined;
  const root = workDirectory();
  for (const name of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(path.join(root, name));
  const locations = files.map((file, index) => location(root, file, index)).join('\n');
  return await startServer(files[0]?.path ?? '/', (port) => {
    const config = `
      daemon off; master_process off; pid ${root}/pid; error_log ${root}/error.log;
      events { worker_connections 256; }
      http {
        access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
        open_file_cache max=100; open_file_cache_valid 60s;
        client_body_temp_path ${root}/body; proxy_temp_path ${root}/proxy; fastcgi_temp_path ${root}/fastcgi;
        uwsgi_temp_path ${root}/uwsgi; scgi_temp_path ${root}/scgi;
        server { listen 127.0.0.1:${port}; ${locations} }
      }`;
    writeFileSync(path.join(root, 'nginx.conf'), config);
    return ['nginx', ['-p', root, '-c', path.join(root, 'nginx.conf')]];
  });
};
