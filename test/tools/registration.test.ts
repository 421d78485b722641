import { execFile } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createWorld, documentedClient, endpoint, kidsOf, page } from '../acceptance/registration/rig.ts';
import { ready } from '../acceptance/client.ts';
import { missing } from './programs.ts';

const reason = missing('python3', ['-c', 'import jwcrypto'], 'python3-jwcrypto');

test.skipIf(reason !== '')(
  `the documented client in Python registers its key, and again${reason}`,
  async () => {
    await using world = await createWorld();
    const server = await world.start();
    await ready(server);
    const cwd = await mkdtemp(path.join(world.directory, 'client-'));
    const script = path.join(cwd, 'client.py');
    await writeFile(script, documentedClient(await page(), 'python'));
    const client = 'in/python';
    const token = await world.token(client);
    const start = async (accessToken: string): Promise<string> => {
      const env = {
        JWKSD_URL: server.url,
        CLIENT_ID: client,
        ACCESS_TOKEN: accessToken,
        // The Python of Debian, which has the package.
        PATH: `/usr/bin:/bin:${process.env['PATH'] ?? ''}`,
      };
      return (await promisify(execFile)('python3', [script], { cwd, env })).stdout;
    };
    const said = await start(token);
    const [kid] = (await kidsOf(server, client)) ?? [];
    expect(said).toBe(`jwks_uri ${server.url}${endpoint}/in%2Fpython/jwks.json\nkid ${kid}\n`);
    expect(await start(token)).toBe(said);
    expect(await kidsOf(server, client)).toEqual([kid]);
    await expect(start('x')).rejects.toMatchObject({
      stderr: expect.stringContaining('401: the access token is not valid here'),
    });
  },
);
