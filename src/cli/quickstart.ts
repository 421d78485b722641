import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Config, FilesConfig } from '../config/config.ts';
import { JwksdError } from '../errors.ts';
import type { Log } from '../sources/source.ts';

const run = promisify(execFile);

const isEmpty = async (directory: string): Promise<boolean> => {
  try {
    return (await readdir(directory)).every((name) => name.startsWith('.'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw new JwksdError('failed', `${directory} cannot be read; generateIfEmpty needs to look into it`, {
      cause: error,
    });
  }
};

/**
 * Makes the key pair of every source that asks for one and has none; resolves with those sources.
 *
 * A process of its own makes the pair, so that a private key is never in the memory of the server.
 */
export const generateMissingKeys = async (config: Config, log: Log): Promise<readonly FilesConfig[]> => {
  const made: FilesConfig[] = [];
  for (const source of config.sources) {
    if (source.type !== 'files' || source.generateIfEmpty === null || !(await isEmpty(source.path))) continue;
    const { alg, dir } = source.generateIfEmpty;
    const [main = ''] = process.argv.slice(1);
    const name = source.name;
    try {
      await run(process.execPath, [main, 'keys', 'generate', '--name', name, '--alg', alg, '--dir', dir]);
    } catch (error) {
      const { stderr } = error as { stderr?: string };
      throw new JwksdError('failed', `the key pair for ${name} could not be made: ${stderr?.trim() ?? ''}`, {
        cause: error,
      });
    }
    log.info({ source: name, alg, dir }, 'a key pair was generated, because there was none');
    made.push(source);
  }
  return made;
};

/** What the terminal shows once the server listens: where everything is, and the next command. */
export const banner = (config: Config, url: string, opsUrl: string | undefined): string => {
  const sets = config.sets.flatMap(({ name, paths, pemPaths }) => {
    const jwks = paths[0] ?? `/sets/${name}/jwks.json`;
    const pem = pemPaths[0];
    const lines = [`  JWK Set   ${url}${jwks}`];
    if (pem !== undefined) lines.push(`  PEM       ${url}${pem === '/' ? '' : pem}/<sha256 of the kid>.pem`);
    return lines;
  });
  const quickstart = config.sources.find(
    (source) => source.type === 'files' && source.generateIfEmpty !== null,
  );
  const lines = ['', `jwksd serves ${url}`, ...sets];
  if (opsUrl !== undefined) lines.push(`  metrics   ${opsUrl}/metrics   status ${opsUrl}/status`);
  if (quickstart?.type === 'files' && quickstart.generateIfEmpty !== null) {
    const jwks = `${url}/.well-known/jwks.json`;
    lines.push(
      '',
      'Next:',
      `  Moodle   paste ${quickstart.generateIfEmpty.dir}/keys/${quickstart.name}_private.pem as the JWT private key (ES256)`,
      `  Octoka   trusted_keys = ["${jwks}"]`,
      `  Jitsi    needs RSA keys of your identity provider:  jwksd serve --upstream https://sso.example.org/…/certs`,
      `  look     curl ${jwks}`,
    );
  }
  return `${lines.join('\n')}\n\n`;
};
