import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../fakes/jwksd.ts';
import { FakeUpstream, hang, ok, redirect, status, type Handler } from '../../fakes/upstream.ts';
import { ready } from '../client.ts';
import { World as Clocks } from '../faults/world.ts';
import { setOf } from '../signer.ts';
import { createWorld, kidsOf, makeKey, prove, register, scope } from './rig.ts';

test('a token is good while its source is STALE; once it is EXPIRED nobody can tell, which is a 503', async () => {
  await using world = await createWorld();
  const upstream = { type: 'jwks', url: world.upstream.url().href, refreshMin: '1s', refreshMax: '1s' };
  const server = await world.start({}, { sources: { idp: { ...upstream, maxStale: '4s' } } });
  await ready(server);
  const stateOf = async (): Promise<string | undefined> => {
    const { sources } = (await (await fetch(`${server.opsUrl}/status`)).json()) as {
      sources: { state: string }[];
    };
    return sources[0]?.state;
  };
  world.upstream.handler = status(500);
  await fetch(`${server.opsUrl}/sources/idp/refresh`, { method: 'POST' });
  await eventually(async () => (await stateOf()) === 'STALE' || undefined);
  const token = await world.token('app');
  const key = await makeKey();
  expect((await register(server, token, await prove(key, 'app'))).status).toBe(200);

  await eventually(async () => (await stateOf()) === 'EXPIRED' || undefined);
  const refused = await register(server, token, await prove(await makeKey(), 'app'));
  expect([refused.status, refused.json['error']]).toEqual([503, 'temporarily_unavailable']);
  expect(refused.headers.get('retry-after')).toBe('5');
  // What is registered does not depend on who may register.
  expect(await kidsOf(server, 'app')).toEqual([key.jkt]);

  world.upstream.handler = ok(setOf(world.issuerKey));
  await fetch(`${server.opsUrl}/sources/idp/refresh`, { method: 'POST' });
  await eventually(
    async () => (await register(server, token, await prove(key, 'app'))).status === 200 || undefined,
    20_000,
  );
}, 60_000);

describe('an introspection endpoint', () => {
  const good = { active: true, client_id: 'app', scope };
  test.each<[string, Handler, number]>([
    ['hangs', hang(), 503],
    ['redirects', redirect('/elsewhere'), 503],
    ['answers HTML', ok('<html>log in</html>', { 'content-type': 'text/html' }), 503],
    ['answers HTML that says it is JSON', ok('<html>log in</html>'), 503],
    ['does not say whether', ok({ client_id: 'app', scope }), 503],
    ['answers 500', status(500), 503],
    ['does not know jwksd', status(401), 503],
    ['answers a page without end', ok({ ...good, more: 'x'.repeat(200_000) }), 503],
    ['says no', ok({ active: false }), 401],
    ['names no client', ok({ active: true, scope }), 401],
    ['says yes', ok(good), 200],
  ])('that %s', async (_title, handler, expected) => {
    await using world = await createWorld();
    await using introspection = await FakeUpstream.start({ handler });
    const clientSecretFile = path.join(world.directory, 'secret');
    await writeFile(clientSecretFile, 'a secret that no log may hold');
    const url = introspection.url().href;
    const server = await world.start({
      accessToken: { introspection: { url, clientId: 'jwksd', clientSecretFile } },
    });
    await ready(server);
    const begun = performance.now();
    const answer = await register(server, 'an-opaque-token', await prove(await makeKey(), 'app'));
    expect(answer.status).toBe(expected);
    expect(performance.now() - begun).toBeLessThan(4500);
    expect(await kidsOf(server, 'app')).toHaveLength(expected === 200 ? 1 : 0);
    expect(introspection.requests).toHaveLength(1);
    expect(server.output()).not.toContain('an-opaque-token');
    expect(server.output()).not.toContain('no log may hold');
  });
});

const at = (ms: number): number => Math.floor((Date.now() + ms) / 1000);

test.each([
  ['a minute behind', -60_000],
  ['half a minute ahead', 30_000],
])('a client whose clock is %s registers; what is older than five minutes does not', async (_title, off) => {
  await using world = await createWorld();
  const server = await world.start();
  await ready(server);
  const token = await world.token('app');
  const key = await makeKey();
  expect((await register(server, token, await prove(key, 'app', { iat: at(off) }))).status).toBe(200);
  const late = await register(server, token, await prove(key, 'app', { iat: at(-310_000) }));
  expect(late.json).toMatchObject({ error: 'invalid_proof', code: 'too_old' });
  const early = await register(server, token, await prove(key, 'app', { iat: at(90_000) }));
  expect(early.json).toMatchObject({ error: 'invalid_proof', code: 'from_the_future' });
});

test('a server whose own clock is a minute off takes proofs, and publishes what it took', async () => {
  await using world = await createWorld();
  const clocks = new Clocks(world.directory);
  clocks.change({ clock: 59_000 });
  const server = await world.start({}, {}, { env: clocks.env });
  await ready(server);
  const key = await makeKey();
  const token = await world.token('app', { exp: Math.floor(Date.now() / 1000) + 600 });
  expect((await register(server, token, await prove(key, 'app'))).status).toBe(200);
  expect(await kidsOf(server, 'app')).toEqual([key.jkt]);
  // An hour later a token of a minute ago is none.
  clocks.change({ clock: 3_600_000 });
  expect((await register(server, token, await prove(await makeKey(), 'app'))).status).toBe(401);
});
