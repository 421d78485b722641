import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { proofErrors } from '../../../src/tokens/proof/outcome.ts';
import { registrationErrors } from '../../../src/tokens/registration/outcome.ts';
import { childEnv, root, type Running } from '../../fakes/jwksd.ts';
import { buildProgram } from '../../fakes/program.ts';
import { ready } from '../client.ts';
import { createWorld, documentedClient, kidsOf, page, type World } from './rig.ts';

const run = promisify(execFile);
let text: string;
beforeAll(async () => {
  text = await page();
});

describe('docs/registration.md', () => {
  test('lists exactly the errors there are, with their status', () => {
    const rows = [...text.matchAll(/^\| (\d{3}) +\| `(\w+)` +\|/gmu)].map(([, status, error]) => [
      error,
      Number(status),
    ]);
    expect(Object.fromEntries(rows)).toEqual(registrationErrors);
  });

  test('lists exactly the codes of proofs, and those the store adds', () => {
    const table = text.slice(text.indexOf('| `code` '));
    const codes = [...table.matchAll(/^\| (`[^|]+`) +\|/gmu)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(\w+)`/gu)].map(([, code]) => code),
    );
    const more = ['code', 'replayed', 'nonce_unknown', 'no_token'];
    expect(new Set(codes)).toEqual(new Set([...Object.keys(proofErrors), ...more]));
  });
});

describe('the documented client', () => {
  let world: World;
  let server: Running;
  let home: string;
  beforeAll(async () => {
    world = await createWorld();
    server = await world.start();
    await ready(server);
    home = await mkdtemp(path.join(world.directory, 'client-'));
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  const registers = async (client: string, program: string, args: readonly string[]): Promise<void> => {
    const env = { JWKSD_URL: server.url, CLIENT_ID: client, ACCESS_TOKEN: await world.token(client) };
    const cwd = await mkdtemp(path.join(home, 'run-'));
    const start = async (more = {}): Promise<string> =>
      (await run(program, [...args], { cwd, env: childEnv({ ...env, ...more }) })).stdout;
    const uri = `${server.url}/oidc/jwks/clients/${client}/jwks.json`;
    const said = await start();
    const [kid] = (await kidsOf(server, client)) ?? [];
    expect(said).toBe(`jwks_uri ${uri}\nkid ${kid}\n`);
    // The second time the key is there, and renewed.
    expect(await start()).toBe(said);
    expect(await kidsOf(server, client)).toEqual([kid]);
    await expect(start({ ACCESS_TOKEN: 'x' })).rejects.toMatchObject({
      stderr: expect.stringContaining('the access token is not valid here'),
    });
  };

  test('in TypeScript registers its key, and again', async () => {
    const source = path.join(world.directory, 'client.ts');
    await writeFile(source, documentedClient(text, 'ts'));
    const program = await buildProgram(path.relative(root, source));
    try {
      await registers('in-typescript', process.execPath, [program.file]);
    } finally {
      await program.remove();
    }
  });

  const lacking = ['openssl', 'curl'].filter((name) => spawnSync(name, ['version']).error !== undefined);
  test.skipIf(lacking.length > 0)(
    `in shell registers its key, and again${lacking.length > 0 ? ` (skipped: no ${lacking.join(', ')} here)` : ''}`,
    async () => {
      const script = path.join(world.directory, 'client.sh');
      await writeFile(script, documentedClient(text, 'bash'));
      await registers('in-shell', 'sh', [script]);
    },
  );
});
