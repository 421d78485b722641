import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const version = '26.4.5';
const cache = fileURLToPath(new URL('../../node_modules/.cache/keycloak/', import.meta.url));
const copyGoal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy';

/** Why Keycloak cannot run here, or where its distribution lies. */
export type Distribution = { readonly missing: string } | { readonly home: string };

const exists = async (file: string): Promise<boolean> =>
  await access(file).then(
    () => true,
    () => false,
  );

/** The Keycloak distribution, fetched by Maven once and kept below node_modules. */
export const findDistribution = async (): Promise<Distribution> => {
  const home = path.join(cache, `keycloak-${version}`);
  if (await exists(path.join(home, 'bin', 'kc.sh'))) return { home };
  for (const tool of ['java', 'jar', 'mvn']) {
    try {
      await run(tool, ['--version']);
    } catch {
      return { missing: `${tool} is not on this machine` };
    }
  }
  await mkdir(cache, { recursive: true });
  const archive = path.join(cache, `keycloak-quarkus-dist-${version}.zip`);
  const artifact = `org.keycloak:keycloak-quarkus-dist:${version}:zip`;
  try {
    await run('mvn', ['-q', '-B', copyGoal, `-Dartifact=${artifact}`, `-DoutputDirectory=${cache}`]);
  } catch {
    return { missing: `Maven could not deliver ${artifact}` };
  }
  // The JDK can unpack a zip file everywhere; the marker directory appears only when it is complete.
  const unpacked = path.join(cache, `unpacking-${process.pid}`);
  await mkdir(unpacked);
  await run('jar', ['xf', archive], { cwd: unpacked });
  await rename(path.join(unpacked, `keycloak-${version}`), home);
  await rm(unpacked, { recursive: true });
  await rm(archive);
  return { home };
};

/** A Keycloak in development mode, with its data in memory. */
export interface Keycloak {
  readonly url: string;
  /** Kills it without a chance to say goodbye. */
  kill(): Promise<void>;
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

/** Starts Keycloak on loopback and resolves when it answers. */
export const startKeycloak = async (home: string): Promise<Keycloak> => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = ['start-dev', '--http-host=127.0.0.1', `--http-port=${port}`, '--db=dev-mem', '--cache=local'];
  const child = spawn('sh', [path.join(home, 'bin', 'kc.sh'), ...args], {
    env: { ...process.env, KC_BOOTSTRAP_ADMIN_USERNAME: 'admin', KC_BOOTSTRAP_ADMIN_PASSWORD: 'admin' },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its own group, because the script starts Java as a child.
    detached: true,
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const closed = once(child, 'close');
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      process.kill(-child.pid, 'SIGKILL');
    }
    await closed;
  };
  for (let waited = 0; waited < 240; waited += 1) {
    if (child.exitCode !== null) throw new Error(`Keycloak ended:\n${output}`);
    const answer = await fetch(`${url}/realms/master`).catch(() => undefined);
    if (answer?.ok === true) return { url, kill };
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await kill();
  throw new Error(`Keycloak did not start within two minutes:\n${output}`);
};
