import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../fakes/jwksd.ts';
import { jwks } from '../../fakes/keys.ts';
import { ok, status } from '../../fakes/upstream.ts';
import { get } from '../client.ts';
import { startRig } from './rig.ts';
import { World } from './world.ts';

const hour = 3_600_000;
const day = 24 * hour;

// jwksd looks at its clock every 10 s, so the cases wait side by side.
test.concurrent.each([
  ['a day back', -day],
  ['two days ahead', 2 * day],
])(
  'a wall clock that is set %s costs one refresh of each upstream and nothing else',
  async (_title, step) => {
    await using directory = await temporaryDirectory();
    const world = new World(directory.path);
    // Two days are beyond maxStale: an age that followed the wall clock would withdraw every key.
    const names = ['answers', 'fails'];
    await using rig = await startRig(
      names.map((name) => ({ name, source: { maxStale: '30h' } })),
      { first: ok(jwks('good')), env: world.env },
    );
    const { jwksd, upstreams } = rig;
    await jwksd.all('FRESH');
    const before = await get(`${jwksd.server.url}/sets/answers/jwks.json`);
    upstreams.set('fails', status(404));
    const jumps = 'jwksd_clock_jumps_total';
    expect(await jwksd.metric(jumps)).toBe(0);
    expect(names.map((name) => upstreams.count(name))).toEqual([1, 1]);

    world.change({ clock: step });
    await jwksd.until('answers', ({ attempts }) => (attempts['ok'] ?? 0) === 2, 15_000);
    await jwksd.until('fails', ({ state }) => state === 'STALE');
    expect(await jwksd.metric(jumps)).toBe(1);
    const after = await get(`${jwksd.server.url}/sets/answers/jwks.json`);
    expect([after.status, after.headers.etag, after.text]).toEqual([200, before.headers.etag, before.text]);
    expect(await jwksd.kids('fails')).toEqual(['good']);
    expect(await jwksd.isReady()).toBe(true);
    const { state, age, nextAttemptIn } = await jwksd.source('answers');
    expect(state).toBe('FRESH');
    expect(age).toBeGreaterThanOrEqual(0);
    expect(age).toBeLessThan(10);
    expect(nextAttemptIn).toBeGreaterThan(500);
    expect(upstreams.count('answers')).toBe(2);
    // Its failure counts as one, with the backoff of one.
    expect((await jwksd.source('fails')).nextAttemptIn).toBeLessThanOrEqual(5);

    // What is remembered now has a date of that world. The clock is set right again, and jwksd restarted while the
    // upstreams are down.
    upstreams.setAll(names, ok(jwks('good', 'later')));
    for (const name of names) {
      await jwksd.driven(name, 'FRESH');
      await jwksd.publishes(name, ['good', 'later']);
    }
    expect(await jwksd.server.stop()).toBe(0);
    world.change({ clock: 0 });
    upstreams.setAll(names, status(503));
    const again = await rig.again();
    expect(await again.isReady()).toBe(true);
    for (const name of names) expect(await again.kids(name)).toEqual(['good', 'later']);
  },
  60_000,
);
