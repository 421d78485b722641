import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { childEnv, root, temporaryDirectory } from '../fakes/jwksd.ts';
import { FakeProxy } from '../fakes/proxy.ts';
import { FakeAuthority } from '../fakes/tls.ts';
import { byPath, FakeUpstream, ok } from '../fakes/upstream.ts';
import { ready } from './client.ts';
import { makeSigner, setOf } from './signer.ts';

/** Commands that are not run here, and why. */
const notRun: Readonly<Record<string, string>> = {
  'npm ci && npm test': 'is what runs right now',
  'npm run check': 'runs the tests, this one among them',
  'npm run bench': 'measures for minutes and asserts nothing',
  'npm run bench:survival': 'measures for minutes and asserts nothing',
  'npm run bench:refresh': 'measures for minutes and asserts nothing',
  'npm run bench:registration': 'measures for minutes and asserts nothing',
  'npm run bench:validate': 'measures for a minute and asserts nothing',
};

/** Commands that are meant to fail where nothing has been set up, and why. */
const failing: Readonly<Record<string, string>> = {
  'npx jwksd check --config config/jwksd.example.yaml':
    'the key files that the example names are not in a clone',
};

interface Block {
  readonly page: string;
  readonly line: number;
  readonly script: string;
}

/** The blocks marked `sh` of a page. */
const blocksOf = async (page: string): Promise<Block[]> => {
  const text = await readFile(path.join(root, page), 'utf8');
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gmu)].map((match) => ({
    page,
    line: text.slice(0, match.index).split('\n').length + 1,
    script: match[1] ?? '',
  }));
};

const inDocs = (await readdir(path.join(root, 'docs'))).filter((name) => name.endsWith('.md')).sort();
const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...inDocs.map((name) => `docs/${name}`)];
const blocks = (await Promise.all(pages.map(blocksOf))).flat();

/** A line without its comment. */
const commandOf = (line: string): string => line.replace(/\s+#\s.*$/u, '').trim();

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let upstream: FakeUpstream;
let proxy: FakeProxy;
let env: Record<string, string>;

/** Shell text that hands over to the program of this name that a stand-in hides. */
const real = (name: string): string => `PATH="$REAL_PATH" exec ${name} "$@"`;

beforeAll(async () => {
  directory = await temporaryDirectory();
  const bin = path.join(directory.path, 'bin');
  await mkdir(bin);
  const script = async (name: string, lines: string): Promise<void> => {
    await writeFile(path.join(bin, name), `#!/bin/sh\n${lines}`);
    await chmod(path.join(bin, name), 0o755);
  };
  // The clones below have the node_modules of this one, which is what `npm ci` would make of the same lock file.
  await script('npm', `if [ "$*" = ci ]; then test -f package-lock.json; else ${real('npm')}; fi\n`);
  // The README shows that npx finds the program; elsewhere the second it takes each time is saved.
  const program = `[ "$1" = jwksd ] && shift && exec "${process.execPath}" dist/main.js "$@"`;
  await script('npx', `if [ -n "$REAL_NPX" ]; then ${real('npx')}; else ${program}; fi\n`);
  await script('curl', `exec "${process.execPath}" "${path.join(import.meta.dirname, 'curl.mjs')}" "$@"\n`);

  // The providers of the documentation, by their names, behind a proxy that takes every name for theirs.
  const names = ['sso.example.org', 'login.example.org'];
  const authority = new FakeAuthority();
  const issuer = 'https://login.example.org';
  const keys = ok(setOf(await makeSigner('RS256', '1DKOk8q4Dc9BSgDLmksFemg5lEGuoYQvYrHVOnXNj3k')));
  upstream = await FakeUpstream.start({
    tls: authority.issue(undefined, names),
    handler: byPath({
      '/realms/main/protocol/openid-connect/certs': keys,
      '/.well-known/openid-configuration': ok({ issuer, jwks_uri: `${issuer}/keys` }),
      '/keys': keys,
    }),
  });
  proxy = await FakeProxy.start();
  proxy.target = upstream.port;
  const ca = path.join(directory.path, 'ca.pem');
  await writeFile(ca, authority.cert);
  const { PATH = '' } = childEnv();
  env = {
    REAL_PATH: PATH,
    PATH: `${bin}:${PATH}`,
    HOME: directory.path,
    npm_config_cache: path.join(directory.path, 'npm'),
    npm_config_offline: 'true',
    npm_config_update_notifier: 'false',
    HTTPS_PROXY: proxy.origin,
    NODE_EXTRA_CA_CERTS: ca,
    JWKSD_SERVER__PORT: '0',
    JWKSD_OPS__PORT: '0',
  };
});

afterAll(async () => {
  await proxy.close();
  await upstream.close();
  await directory[Symbol.asyncDispose]();
});

/** A clone of the repository as it is, without what is not committed on purpose. */
const clone = async (name: string): Promise<string> => {
  const to = path.join(directory.path, name.replaceAll('/', '-'));
  const left = new Set(['.git', 'node_modules', 'dist', 'data', 'bench', 'test']);
  await cp(root, to, { recursive: true, filter: (from) => !left.has(path.relative(root, from)) });
  await symlink(path.join(root, 'node_modules'), path.join(to, 'node_modules'));
  return to;
};

/** The server that a block has started, for the blocks after it. */
interface Server {
  readonly url: string;
  readonly opsUrl: string;
  stop(): Promise<void>;
}

type Outcome = { readonly server: Server } | { readonly code: number | null; readonly stdout: string };

/** Ends a shell and all it started. */
const end = async (child: ChildProcess): Promise<void> => {
  const closed = new Promise((resolve) => child.once('close', resolve));
  if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  await closed;
};

/** Runs a script until it ends or a server that it has started listens. */
const run = async (
  script: string,
  cwd: string,
  more: Readonly<Record<string, string>>,
): Promise<Outcome & { talk: string }> =>
  await new Promise((resolve, reject) => {
    const child = spawn('sh', ['-eu', '-c', script], {
      cwd,
      env: { ...env, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, so that the server below npm and npx can be ended.
      detached: true,
    });
    let stdout = '';
    let talk = '';
    const timer = setTimeout(() => {
      void end(child);
      reject(new Error(`neither ends nor serves:\n${script}\n${talk}`));
    }, 30_000);
    const closed = (code: number | null): void => {
      clearTimeout(timer);
      resolve({ code, stdout, talk });
    };
    child.once('close', closed);
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    const hear = (chunk: string): void => {
      talk += chunk;
      const [, url, opsUrl] = /jwksd serves (\S+)\n[\s\S]*metrics {3}(\S+)\/metrics/u.exec(talk) ?? [];
      if (url === undefined || opsUrl === undefined) return;
      clearTimeout(timer);
      child.off('close', closed);
      resolve({ server: { url, opsUrl, stop: async () => await end(child) }, talk });
    };
    child.stdout.on('data', hear);
    child.stderr.setEncoding('utf8').on('data', hear);
  });

test.each(pages.filter((page) => blocks.some((block) => block.page === page)))(
  'every block of %s marked sh does what it says, one after the other, in a clone',
  async (page) => {
    const cwd = await clone(page);
    const text = await readFile(path.join(root, page), 'utf8');
    let server: Server | undefined;
    try {
      for (const { line, script } of blocks.filter((block) => block.page === page)) {
        const lines = script.split('\n').filter((each) => notRun[commandOf(each)] === undefined);
        const commands = lines.join('\n');
        if (commands.trim() === '') continue;
        // They would use one port, one after the other.
        if (/npm start|jwksd serve/u.test(commands)) {
          await server?.stop();
          server = undefined;
        }
        // The documented address is that of the server a block before has started.
        const local = `$1${server?.url ?? 'http://localhost:8080'}`;
        const asked = commands.replaceAll(/(jwksd doctor )http:\/\/localhost:8080/gu, local);
        const outcome = await run(asked, cwd, {
          SERVER_URL: server?.url ?? '',
          OPS_URL: server?.opsUrl ?? '',
          REAL_NPX: page === 'README.md' ? 'yes' : '',
        });
        const where = `${page}:${line}\n${commands}\n${outcome.talk}`;
        if ('server' in outcome) {
          ({ server } = outcome);
          await ready(server);
          continue;
        }
        const expected = lines.some((each) => failing[commandOf(each)] !== undefined) ? 1 : 0;
        expect(outcome.code, where).toBe(expected);
        // What a page shows of a digest is the digest.
        if (commands.includes('keys digest')) expect(text, where).toContain(outcome.stdout.trim());
      }
    } finally {
      await server?.stop();
    }
  },
  120_000,
);

test('every exception is about a command that is documented', () => {
  const documented = new Set(blocks.flatMap(({ script }) => script.split('\n').map(commandOf)));
  for (const command of [...Object.keys(notRun), ...Object.keys(failing)]) {
    expect(documented, command).toContain(command);
  }
});
