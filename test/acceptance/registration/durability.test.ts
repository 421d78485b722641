import path from 'node:path';
import { expect, test } from 'vitest';
import { smallDisk, mayMount } from '../../fakes/small-disk.ts';
import { ready } from '../client.ts';
import { ask, createWorld, endpoint, kidsOf, makeKey, prove, register } from './rig.ts';

/** `npm run test:durability` asks for a thousand. */
const rounds = Number(process.env['JWKSD_TEST_KILLS'] ?? 9);

test(
  'what was answered with 200 or 204 outlives kill -9 at that moment: a registration, a deletion, a revocation',
  async () => {
    await using world = await createWorld();
    const token = await world.token('app');
    const live: string[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      await using server = await world.start();
      await ready(server);
      expect(await kidsOf(server, 'app'), `after ${round} kills`).toEqual(live.toSorted());
      if (round === rounds) break;
      const act = (['register', 'register', 'DELETE', 'revoke'] as const)[round % 4];
      if (act === 'register') {
        const key = await makeKey();
        const { status } = await register(server, token, await prove(key, 'app'));
        server.kill('SIGKILL');
        expect(status).toBe(200);
        live.push(key.jkt);
      } else {
        const jkt = live.shift();
        const { status } =
          act === 'DELETE'
            ? await ask(server, 'DELETE', `${endpoint}/${jkt}`, token)
            : await ask(server, 'POST', `${endpoint}/${jkt}/revoke`, token, { reason: 'superseded' });
        server.kill('SIGKILL');
        expect(status).toBe(act === 'DELETE' ? 204 : 200);
      }
      await server.exited;
    }
  },
  Math.max(60_000, rounds * 5000),
);

test.runIf(mayMount)(
  'a full disk is a 503, sets go on, and the store is usable again (needs the right to mount a tmpfs)',
  async () => {
    await using disk = await smallDisk('512k');
    await using world = await createWorld();
    const server = await world.start({
      store: { type: 'lmdb', path: path.join(disk.path, 'registrations') },
      maxKeysPerClient: 1000,
    });
    await ready(server);
    const token = await world.token('app');
    const first = await makeKey();
    expect((await register(server, token, await prove(first, 'app'))).status).toBe(200);
    await disk.fill();
    const live = [first.jkt];
    let refused = 0;
    for (let n = 0; n < 300 && refused === 0; n += 1) {
      const key = await makeKey();
      const { status } = await register(server, token, await prove(key, 'app'));
      if (status === 200) live.push(key.jkt);
      else {
        expect(status).toBe(503);
        refused += 1;
      }
    }
    expect(refused).toBe(1);
    expect(await kidsOf(server, 'app')).toEqual(live.toSorted());
    await disk.free();
    const last = await makeKey();
    expect((await register(server, token, await prove(last, 'app'))).status).toBe(200);
    expect(await kidsOf(server, 'app')).toEqual([...live, last.jkt].toSorted());
  },
  60_000,
);
