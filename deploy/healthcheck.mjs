/**
 * Exit code 0 when the jwksd of this container answers `/livez` (or the path given) with 200, else 1.
 *
 * The image has no curl. The port is the one jwksd itself would use: the `--port` of process 1, the environment, the
 * configuration file, 8080. TLS needs no setting: plain HTTP is tried first and HTTPS when the server speaks that. The
 * certificate is not verified, because it names the public host and this connection never leaves the container.
 */
import { readFileSync } from 'node:fs';
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { parse } from 'yaml';

const [path = '/livez', pid = '1'] = process.argv.slice(2);

/** The words of the server's command line; none where it cannot be read. */
const serverArguments = () => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
};

/** The value of `--name value`, `--name=value` or `-n value`, undefined when the flag is absent. */
const flag = (words, name, letter) => {
  const at = words.findIndex(
    (word) => word === `--${name}` || word === `-${letter}` || word.startsWith(`--${name}=`),
  );
  if (at === -1) return undefined;
  const [, value] = words[at].split(/=(.*)/s);
  return value ?? words[at + 1];
};

/** `server.port` of the configuration file, undefined when there is no file or it leaves the port out. */
const portInFile = (file) => {
  try {
    return parse(readFileSync(file, 'utf8'))?.server?.port;
  } catch {
    return undefined;
  }
};

const words = serverArguments();
const file = flag(words, 'config', 'c') ?? process.env.JWKSD_CONFIG ?? '/etc/jwksd/jwksd.yaml';
const port = flag(words, 'port') ?? process.env.JWKSD_SERVER__PORT ?? portInFile(file) ?? 8080;

/** The status of one GET; rejects when there is no HTTP answer within 4 s. */
const ask = (get) =>
  new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(4_000);
    const options = { host: '127.0.0.1', port, path, agent: false, rejectUnauthorized: false, signal };
    get(options, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });

try {
  // A TLS server answers plain HTTP with an error or not at all; ECONNREFUSED is the same for both.
  const status = await ask(getHttp).catch(() => ask(getHttps));
  process.exitCode = status === 200 ? 0 : 1;
  process.stdout.write(`${path} on port ${port}: ${status}\n`);
} catch (error) {
  process.exitCode = 1;
  process.stdout.write(`${path} on port ${port}: ${error.message}\n`);
}
