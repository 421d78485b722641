import { EventEmitter, once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ecJwk, jwks } from '../../fakes/keys.ts';
import { delayed, ok, sequence } from '../../fakes/upstream.ts';
import { get } from '../client.ts';
import { digestOf } from '../signer.ts';
import { startRig, type Rig } from './rig.ts';

let rig: Rig;

// What waits for a confirmation asks again every second by itself; the others only when they are told to.
const sources = [
  { name: 'add' },
  { name: 'remove' },
  { name: 'patient', source: { removalConfirm: '10m' } },
  { name: 'replace' },
  { name: 'material' },
  { name: 'late', source: { totalTimeout: '10s' } },
  { name: 'twins' },
  { name: 'wild', source: { maxKeys: 20 } },
  { name: 'changing', source: { refreshInterval: '1s', jitter: '0%' } },
];

beforeAll(async () => {
  rig = await startRig(sources, { first: ok(jwks('one', 'two')) });
  await rig.jwksd.all('FRESH');
}, 30_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

const changes = async (name: string): Promise<Record<string, number>> => {
  const metrics = await rig.jwksd.metrics();
  return Object.fromEntries(
    ['added', 'removed', 'replaced', 'retired', 'returned'].map((change) => [
      change,
      metrics.get(`jwksd_upstream_key_changes_total{source="${name}",change="${change}"}`) ?? 0,
    ]),
  );
};

test('an added key is published at once, in the order of the upstream', async () => {
  rig.upstreams.set('add', ok(jwks('zero', 'one', 'two')));
  await rig.jwksd.refreshed('add');
  await rig.jwksd.publishes('add', ['zero', 'one', 'two']);
  expect(await changes('add')).toMatchObject({ added: 3, removed: 0, replaced: 0 });
});

test('a removed key goes after a second answer that lacks it', async () => {
  rig.upstreams.set('remove', ok(jwks('two')));
  const before = rig.upstreams.count('remove');
  await rig.jwksd.refreshed('remove');
  await rig.jwksd.publishes('remove', ['two']);
  expect(rig.upstreams.count('remove') - before).toBe(2);
  expect(await changes('remove')).toMatchObject({ removed: 1, returned: 0 });
  // By now the name is unknown, and stays so.
  expect((await get(`${rig.jwksd.server.url}/remove/pem/${digestOf('one')}.pem`)).status).toBe(404);
});

test('a key that flaps never leaves the set before its removal is confirmed', async () => {
  for (let round = 1; round <= 5; round += 1) {
    rig.upstreams.set('patient', ok(jwks('two')));
    await rig.jwksd.refreshed('patient');
    expect(await rig.jwksd.kids('patient')).toEqual(expect.arrayContaining(['one', 'two']));
    expect((await rig.jwksd.source('patient')).retiring).toBe(1);
    rig.upstreams.set('patient', ok(jwks('one', 'two')));
    await rig.jwksd.refreshed('patient');
    expect(await rig.jwksd.kids('patient')).toEqual(expect.arrayContaining(['one', 'two']));
    expect(await changes('patient')).toMatchObject({ retired: round, returned: round, removed: 0 });
  }
  expect((await rig.jwksd.source('patient')).retiring).toBe(0);
});

test('a whole new set comes at once, and the old one goes when that is confirmed', async () => {
  rig.upstreams.set('replace', ok(jwks('three', 'four')));
  await rig.jwksd.refreshed('replace');
  await rig.jwksd.publishes('replace', ['three', 'four']);
  expect(await changes('replace')).toMatchObject({ added: 4, removed: 2 });
});

test('other material under a known kid replaces the old at once', async () => {
  const pem = `${rig.jwksd.server.url}/sets/material/keys/one.pem`;
  const before = await get(pem);
  rig.upstreams.set('material', ok({ keys: [ecJwk('one', 'other'), ecJwk('two')] }));
  await rig.jwksd.refreshed('material');
  await rig.jwksd.publishes('material', ['one', 'two']);
  const after = await get(pem);
  expect([before.status, after.status]).toEqual([200, 200]);
  expect(after.text).not.toBe(before.text);
  expect(after.headers.etag).not.toBe(before.headers.etag);
  expect(await changes('material')).toMatchObject({ replaced: 1 });
});

test('two keys of one kid are both published, and their name is ambiguous', async () => {
  rig.upstreams.set('twins', ok({ keys: [ecJwk('one'), ecJwk('one', 'twin')] }));
  await rig.jwksd.refreshed('twins');
  await rig.jwksd.publishes('twins', ['one', 'one']);
  expect((await get(`${rig.jwksd.server.url}/sets/twins/keys/one.pem`)).status).toBe(409);
});

test('an answer that comes late does not bring back what a newer one removed', async () => {
  const { jwksd, upstreams } = rig;
  const gate = new EventEmitter();
  const held = once(gate, 'open');
  // The first to ask gets the old set, but after everybody else.
  upstreams.set(
    'late',
    sequence(
      (request, response) => void held.then(() => ok(jwks('one', 'two', 'old'))(request, response)),
      ok(jwks('two', 'three')),
    ),
  );
  const before = upstreams.count('late');
  await jwksd.refresh('late');
  await jwksd.until('late', () => upstreams.count('late') === before + 1);
  // A client asks for the new key meanwhile, which makes a request of its own.
  const pem = await get(`${jwksd.server.url}/late/pem/${digestOf('three')}.pem`);
  expect(pem.status).toBe(200);
  const { attempts } = await jwksd.source('late');
  gate.emit('open');
  await jwksd.until('late', (source) => (source.attempts['ok'] ?? 0) > (attempts['ok'] ?? 0));
  expect(await jwksd.kids('late')).not.toContain('old');
  await jwksd.publishes('late', ['two', 'three']);
});

test('an upstream that answers each request with another set is bounded in keys and requests', async () => {
  const { jwksd, upstreams } = rig;
  let n = 0;
  const answer = (): void =>
    upstreams.set('wild', (request, response) => {
      n += 1;
      ok(jwks(`a${n}`, `b${n}`, `c${n}`))(request, response);
    });
  answer();
  for (let round = 0; round < 15; round += 1) await jwksd.refreshed('wild');
  const kids = (await jwksd.kids('wild')) as readonly string[];
  // What it lists now is always there; what it listed before only up to maxKeys.
  expect(kids.length).toBeLessThanOrEqual(3 + 20);
  expect((await jwksd.source('wild')).retiring).toBeLessThanOrEqual(20);
  const listed = upstreams.count('wild');
  await jwksd.until('wild', () => upstreams.count('wild') > listed);
  // Waiting for a confirmation that never comes means one request a second, not a loop.
  const begun = performance.now();
  const from = upstreams.count('wild');
  await jwksd.until('wild', () => upstreams.count('wild') - from >= 2);
  expect(performance.now() - begun).toBeGreaterThan(900);
});

test('a set that changes every second is never half there', async () => {
  const { jwksd, upstreams } = rig;
  const sets = [
    ['one', 'two'],
    ['one', 'two', 'three'],
    ['one', 'two', 'three', 'four'],
  ] as const;
  let n = 0;
  upstreams.set('changing', (request, response) => {
    n += 1;
    delayed(20, ok(jwks(...(sets[n % sets.length] ?? []))))(request, response);
  });
  const seen = new Set<number>();
  const etags = new Map<string, string>();
  const end = performance.now() + 10_000;
  while (seen.size < 3 && performance.now() < end) {
    const { status, headers, text } = await get(`${jwksd.server.url}/sets/changing/jwks.json`);
    expect(status).toBe(200);
    const { keys } = JSON.parse(text) as { keys: { kid: string }[] };
    const kids = keys.map(({ kid }) => kid);
    expect(kids).toEqual(expect.arrayContaining(['one', 'two']));
    // One ETag, one body.
    expect(etags.get(String(headers.etag)) ?? text).toBe(text);
    etags.set(String(headers.etag), text);
    seen.add(kids.length);
    if (n > 3) break;
  }
  expect(seen.size).toBeGreaterThan(1);
});
