import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { get, ready } from '../client.ts';
import { ask, createWorld, endpoint, kidsOf, makeKey, prove, published, register } from './rig.ts';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

test('registrations change no published set by a byte, also of a key whose kid, or which itself, is published', async () => {
  await using world = await createWorld();
  const server = await world.start();
  await ready(server);
  const set = async (): Promise<string> => {
    const { body, headers } = await get(`${server.url}/.well-known/jwks.json`);
    return `${sha256(body)} ${headers.etag} ${headers['last-modified']}`;
  };
  const before = await set();
  const key = await makeKey();
  const named = { ...key, publicJwk: { ...key.publicJwk, kid: world.issuerKey.kid } };
  expect((await register(server, await world.token('app'), await prove(named, 'app'))).status).toBe(200);
  // The issuer's own key, registered by a client that turns out to hold it.
  const { publicKey, privateKey, kid } = world.issuerKey;
  const own = { jkt: kid, publicJwk: publicKey.export({ format: 'jwk' }), privateKey };
  expect((await register(server, await world.token('idp'), await prove(own, 'idp'))).status).toBe(200);
  expect(await kidsOf(server, 'app')).toEqual([key.jkt]);
  expect(await kidsOf(server, 'idp')).toEqual([kid]);
  expect(await set()).toBe(before);
  // A registered key is no key of the server: it verifies no access token.
  const { token } = { token: await world.token('evil') };
  const forged = token.replace(/\.[^.]*$/u, `.${Buffer.alloc(64, 1).toString('base64url')}`);
  expect((await register(server, forged, await prove(key, 'evil'))).status).toBe(401);
  const status = await (await fetch(`${server.opsUrl}/status`)).json();
  expect(status).toMatchObject({ registration: { store: 'lmdb', ok: true, detail: null } });
});

test('the same key of two clients is two keys, and taking one back leaves the other', async () => {
  await using world = await createWorld();
  const server = await world.start();
  await ready(server);
  const key = await makeKey();
  const [a, b] = [await world.token('a'), await world.token('b')];
  expect((await register(server, a, await prove(key, 'a'))).json['status']).toBe('created');
  expect((await register(server, b, await prove(key, 'b'))).json['status']).toBe('created');
  // Whose proof it is counts, not who sends it.
  const theirs = await register(server, b, await prove(key, 'a'));
  expect(theirs.json).toMatchObject({ error: 'invalid_proof', code: 'wrong_issuer' });
  const revoked = await ask(server, 'POST', `${endpoint}/${key.jkt}/revoke`, a, { reason: 'compromised' });
  expect(revoked.json).toMatchObject({ client_id: 'a', revoked: { reason: 'compromised' } });
  expect([await kidsOf(server, 'a'), await kidsOf(server, 'b')]).toEqual([[], [key.jkt]]);
  expect((await register(server, a, await prove(key, 'a'))).json).toMatchObject({ error: 'key_revoked' });
});

test('a client at its limit is told so and loses nothing; an operator sees and deletes; a restart keeps all', async () => {
  await using world = await createWorld();
  const token = await world.token('app');
  const keys = await Promise.all(Array.from({ length: 4 }, makeKey));
  {
    await using server = await world.start({ maxKeysPerClient: 3 });
    await ready(server);
    for (const [n, key] of keys.entries()) {
      const { status, json } = await register(server, token, await prove(key, 'app'));
      expect([status, json['error'] ?? json['status']]).toEqual(
        n < 3 ? [200, 'created'] : [409, 'too_many_keys'],
      );
    }
    // Proving one again is no new key.
    expect((await register(server, token, await prove(keys[0]!, 'app'))).json['status']).toBe('exists');
    const page = await (await fetch(`${server.opsUrl}/registrations?client=app&limit=2`)).json();
    expect(page).toMatchObject({
      keys: [{ client_id: 'app' }, { client_id: 'app' }],
      next: expect.any(String),
    });
    const { status } = await fetch(`${server.opsUrl}/registrations/app/${keys[1]!.jkt}`, {
      method: 'DELETE',
    });
    expect(status).toBe(204);
    expect(await server.stop()).toBe(0);
  }
  const server = await world.start({ maxKeysPerClient: 3 });
  await ready(server);
  expect(await kidsOf(server, 'app')).toEqual([keys[0]!.jkt, keys[2]!.jkt].toSorted());
  expect((await register(server, token, await prove(keys[3]!, 'app'))).status).toBe(200);
  const scrape = await (await fetch(`${server.opsUrl}/metrics`)).text();
  expect(scrape).toMatch(/^jwksd_registrations_total\{act="register",outcome="created"\} 1$/mu);
  expect(scrape).toMatch(/^jwksd_registration_store_up 1$/mu);
});

test.each([
  ['with a slash', 'a/b'],
  ['of two dots', '..'],
  ['of one dot', '.'],
  ['that climbs', '../../etc/passwd'],
  ['in Unicode', 'ключ 🔑'],
  ['of 2,000 letters', 'x'.repeat(2000)],
  ['of 2,000 Cyrillic letters', 'ж'.repeat(2000)],
  ['with a header in it', 'a\r\nSet-Cookie: x=1'],
  ['that is encoded already', '%2e%2e'],
])(
  'a client with a name %s has its keys, its own list and its own set, and no other is touched',
  async (_title, client) => {
    await using world = await createWorld();
    const server = await world.start();
    await ready(server);
    const other = await makeKey();
    await register(server, await world.token('app'), await prove(other, 'app'));
    const [key, token] = [await makeKey(), await world.token(client)];
    const created = await register(server, token, await prove(key, client));
    expect([created.status, created.json['client_id']]).toEqual([200, client]);
    const query = `${endpoint}/jwks.json?client_id=${encodeURIComponent(client)}`;
    expect((await ask(server, 'GET', query, '')).json['keys']).toMatchObject([{ kid: key.jkt }]);
    // URL parsers take `.` and `..` away; everything else has a path.
    if (!/^\.{1,2}$/u.test(client)) expect(await kidsOf(server, client)).toEqual([key.jkt]);
    expect((await ask(server, 'GET', endpoint, token)).json['keys']).toMatchObject([{ client_id: client }]);
    expect(await kidsOf(server, 'app')).toEqual([other.jkt]);
    const set = await published(server, 'app');
    expect(set.headers.get('set-cookie')).toBeNull();
    // One line of the log for each write, whatever the name.
    expect(server.log().filter((line) => line['audit'] === 'register')).toHaveLength(2);
  },
);
