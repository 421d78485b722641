import type { InjectOptions } from 'fastify';
import { beforeEach, describe, expect, test } from 'vitest';
import { JwksdError } from '../../src/errors.ts';
import { makeProof, pairs } from '../tokens/proof/proofs.ts';
import { accessToken, clock, path, scope, seconds, start, type World } from './registration-world.ts';
import { exchange, listen } from './service.ts';

let world: World;
beforeEach(async () => {
  world = await start();
});

const ask = async (
  method: InjectOptions['method'] & string,
  url: string,
  more: { token?: string | undefined; body?: unknown; headers?: Record<string, string>; of?: World } = {},
): Promise<{
  status: number;
  headers: Record<string, unknown>;
  json: Record<string, unknown>;
  text: string;
}> => {
  const { token = accessToken('app'), body, headers, of = world } = more;
  const response = await of.app.inject({
    method: method as 'GET',
    url,
    headers: { ...(token === '' ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...(body === undefined ? {} : { payload: body as object }),
  });
  const text = response.body;
  const isJson = text !== '' && String(response.headers['content-type']).includes('json');
  return {
    status: response.statusCode,
    headers: response.headers,
    json: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
    text,
  };
};

let count = 0;
const proof = (odd: Parameters<typeof makeProof>[0] = {}, client = 'app'): string => {
  count += 1;
  return makeProof({ payload: { iss: client, iat: seconds, jti: `j-${count}` }, ...odd });
};
const register = async (body: unknown, more: Parameters<typeof ask>[2] = {}): ReturnType<typeof ask> =>
  await ask('POST', path, { body, ...more });
const published = async (client = 'app', of = world): ReturnType<typeof ask> =>
  await ask('GET', `${path}/${encodeURIComponent(client)}/jwks.json`, { token: '', of });

test('a proved key is registered once, and published under the name of its client', async () => {
  const first = await register({ proof: proof() });
  expect(first.status).toBe(200);
  expect(first.json).toEqual({
    jkt: expect.stringMatching(/^[\w-]{43}$/u),
    client_id: 'app',
    created_at: '2026-11-22T12:00:00.000Z',
    expires_at: '2026-11-22T13:00:00.000Z',
    status: 'created',
  });
  expect(first.headers['cache-control']).toBe('no-store');
  expect((await register({ proof: proof() })).json['status']).toBe('exists');
  const set = await published();
  expect(set.status).toBe(200);
  expect(set.json['keys']).toMatchObject([{ kid: first.json['jkt'], use: 'sig', alg: 'ES256' }]);
  expect(set.headers).toMatchObject({
    'cache-control': 'public, max-age=60',
    'access-control-allow-origin': '*',
    etag: expect.stringMatching(/^"/u),
  });
  const again = await ask('GET', `${path}/app/jwks.json`, {
    token: '',
    headers: { 'if-none-match': String(set.headers['etag']) },
  });
  expect(again.status).toBe(304);
  expect((await published('nobody')).status).toBe(404);
});

test('a proof is good once', async () => {
  const body = { proof: proof() };
  expect((await register(body)).status).toBe(200);
  expect((await register(body)).json).toMatchObject({ error: 'invalid_proof', code: 'replayed' });
});

test('the published sets of the server do not change by a byte, whatever clients register', async () => {
  const before = (await ask('GET', '/.well-known/jwks.json', { token: '' })).text;
  expect((await register({ proof: proof({ jwk: { ...pairs['P-256'].publicJwk, kid: 'a' } }) })).status).toBe(
    200,
  );
  expect((await ask('GET', '/.well-known/jwks.json', { token: '' })).text).toBe(before);
});

describe('a request', () => {
  test.each<[string, Parameters<typeof ask>[2], number, string, string?]>([
    ['without a token', { token: '' }, 401, 'no_token', 'Bearer'],
    ['with a bad token', { token: 'x' }, 401, 'invalid_token', 'Bearer error="invalid_token"'],
    [
      'with Basic credentials',
      { token: '', headers: { authorization: 'Basic eDp5' } },
      401,
      'invalid_token',
      'Bearer error="invalid_token"',
    ],
    ['without a client id', { token: accessToken('') }, 401, 'invalid_token'],
    [
      'without the scope',
      { token: accessToken('app', { scope: `${scope}s x` }) },
      403,
      'insufficient_scope',
      `Bearer error="insufficient_scope", scope="${scope}"`,
    ],
    [
      'with a form',
      { body: 'proof=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      'unsupported_media_type',
    ],
    ['without a body', {}, 400, 'invalid_request'],
    [
      'with broken JSON',
      { body: '{"proof":', headers: { 'content-type': 'application/json' } },
      400,
      'invalid_request',
    ],
    ['with another member', { body: { proof: 'x', more: 1 } }, 400, 'invalid_request'],
    [
      'with a member twice',
      { body: '{"proof":"x","proof":"y"}', headers: { 'content-type': 'application/json' } },
      400,
      'invalid_request',
    ],
    ['with a list', { body: [] }, 400, 'invalid_request'],
    ['with a number for a proof', { body: { proof: 5 } }, 400, 'proof_missing'],
    ['with a proof that is none', { body: { proof: 'x' } }, 400, 'not_compact'],
    ['with a large body', { body: { proof: 'x'.repeat(20_000) } }, 413, 'payload_too_large'],
  ])('%s is refused', async (_name, more, status, code, challenge) => {
    const answer = await ask('POST', path, more);
    expect([answer.status, answer.json['code']]).toEqual([status, code]);
    expect(Object.keys(answer.json)).toEqual(['error', 'error_description', 'code']);
    // RFC 6749 §5.2
    expect(answer.json['error_description']).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/u);
    expect(answer.headers['www-authenticate']).toBe(
      challenge ?? (status === 401 ? 'Bearer error="invalid_token"' : undefined),
    );
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  test('with the token in the URL is refused in strict mode, taken in CAS mode, and never taken twice', async () => {
    const url = `${path}?token=${accessToken('app')}`;
    expect((await ask('POST', url, { token: '', body: { proof: proof() } })).json).toMatchObject({
      error: 'invalid_request',
    });
    const cas = await start({ mode: 'cas' });
    const text = makeProof({ payload: 'test' });
    expect((await ask('POST', url, { token: '', body: { proof: text }, of: cas })).json['status']).toBe(
      'created',
    );
    expect((await ask('POST', url, { token: '', body: { proof: text }, of: cas })).json['status']).toBe(
      'exists',
    );
    expect((await ask('POST', url, { body: { proof: text }, of: cas })).json['code']).toBe('invalid_request');
    expect(JSON.stringify(cas.log)).not.toContain(accessToken('app').slice(-20));
  });

  test('beyond the rate is told when to come again', async () => {
    const narrow = await start({ max: 2 });
    for (let n = 0; n < 2; n += 1) await ask('GET', path, { of: narrow });
    const answer = await ask('GET', path, { of: narrow });
    expect([answer.status, answer.json['code']]).toEqual([429, 'rate_limited']);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  });

  test('without a token is told so, also while the counters are away and beyond the rate', async () => {
    const counters = {
      hit: async () => await Promise.reject(new JwksdError('store_unavailable', 'away')),
    };
    const lonely = await start({ max: 2, counters });
    for (let n = 0; n < 4; n += 1) {
      const answer = await ask('GET', path, { of: lonely, token: '' });
      expect([answer.status, answer.json['code']]).toEqual([401, 'no_token']);
    }
    const statuses = [];
    for (let n = 0; n < 3; n += 1) statuses.push((await ask('GET', path, { of: lonely })).status);
    expect(statuses).toEqual([200, 200, 429]);
  });

  test.each([
    ['PUT', path, 'GET, HEAD, POST'],
    ['GET', `${path}/x`, 'DELETE'],
    ['DELETE', `${path}/x/revoke`, 'POST'],
    ['GET', '/oidc/jwks/nonce', 'POST'],
    ['POST', `${path}/app/jwks.json`, 'GET, HEAD, OPTIONS'],
    ['PUT', `${path}/jwks.json?client_id=app`, 'GET, HEAD, OPTIONS'],
    ['TRACE', `${path}/jwks.json`, 'GET, HEAD, OPTIONS'],
  ])('%s %s is told the methods there are', async (method, url, allow) => {
    const answer = await ask(method, url);
    expect([answer.status, answer.headers['allow']]).toEqual([405, allow]);
  });

  test('with two Authorization headers is refused', async () => {
    const lines = [
      `GET ${path} HTTP/1.1`,
      'Host: x',
      'Connection: close',
      `Authorization: Bearer ${accessToken('app')}`,
      `authorization: Bearer ${accessToken('other')}`,
    ];
    try {
      const answer = await exchange(await listen(world.app), `${lines.join('\r\n')}\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"invalid_request"/u);
    } finally {
      await world.app.close();
    }
  });

  test('for the head of the list has its status and no body', async () => {
    const answer = await ask('HEAD', path);
    expect([answer.status, answer.text]).toEqual([200, '']);
    expect((await ask('HEAD', path, { token: '' })).status).toBe(401);
  });

  test.each(['', '?client_id=a&client_id=b', '?client=a'])('for /jwks.json%s is refused', async (query) => {
    expect((await ask('GET', `${path}/jwks.json${query}`, { token: '' })).status).toBe(400);
  });

  test('from a script of another origin may read a published set and nothing else', async () => {
    const preflight = { origin: 'https://a.example', 'access-control-request-method': 'GET' };
    const set = await ask('OPTIONS', `${path}/app/jwks.json`, { token: '', headers: preflight });
    expect([set.status, set.headers['access-control-allow-origin']]).toEqual([204, '*']);
    const byQuery = `${path}/jwks.json?client_id=app`;
    expect((await ask('OPTIONS', byQuery, { token: '', headers: preflight })).status).toBe(204);
    const write = await ask('OPTIONS', path, { token: '', headers: preflight });
    expect(write.headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('a client', () => {
  test('lists, deletes and revokes its own keys, and no one else does', async () => {
    const { jkt } = (await register({ proof: proof() })).json;
    const other = accessToken('other');
    expect((await ask('GET', path)).json['keys']).toMatchObject([{ jkt, client_id: 'app' }]);
    expect((await ask('GET', path, { token: other })).json).toEqual({ keys: [] });
    expect((await ask('DELETE', `${path}/${String(jkt)}`, { token: other })).status).toBe(404);
    const revoke = async (body: unknown, token?: string): ReturnType<typeof ask> =>
      await ask('POST', `${path}/${String(jkt)}/revoke`, { body, token });
    expect((await revoke({ reason: 'compromised' }, other)).status).toBe(404);
    expect((await revoke({ reason: 'deleted' })).json['code']).toBe('invalid_request');
    expect((await revoke({ reason: 'compromised' })).json).toMatchObject({
      jkt,
      revoked: { reason: 'compromised', at: '2026-11-22T12:00:00.000Z' },
    });
    expect((await published()).json).toEqual({ keys: [] });
    expect((await register({ proof: proof() })).json).toMatchObject({ error: 'key_revoked' });
    expect((await ask('DELETE', `${path}/${String(jkt)}`)).status).toBe(204);
  });

  test('at its limit keeps what it has', async () => {
    const narrow = await start({ maxKeys: 1 });
    expect((await register({ proof: proof() }, { of: narrow })).status).toBe(200);
    expect(
      (await register({ proof: proof({ kind: 'RSA', alg: 'RS256' }) }, { of: narrow })).json,
    ).toMatchObject({
      error: 'too_many_keys',
    });
    expect((await published('app', narrow)).json['keys']).toHaveLength(1);
  });

  test.each([
    'a/b',
    '../x',
    '..',
    'ключ 🔑',
    'x'.repeat(2000),
    'ж'.repeat(2000),
    'a?b#c',
    '%2F',
    'jwks.json',
    'a\nb\u202e',
  ])('may be called %j', async (client) => {
    const token = accessToken(client);
    const { json } = await register({ proof: proof({}, client) }, { token });
    expect(json['client_id']).toBe(client);
    // No path of a URL can say that; the query can.
    if (client !== '..') expect((await published(client)).json['keys']).toHaveLength(1);
    const asked = await ask('GET', `${path}/jwks.json?client_id=${encodeURIComponent(client)}`, {
      token: '',
    });
    expect(asked.json['keys']).toHaveLength(1);
    const inLog = world.log
      .filter((line) => line['audit'] === 'register')
      .map((line) => String(line['client']));
    expect(inLog).toEqual([expect.stringMatching(/^[^\p{Cc}\p{Cf}]{1,64}$/u)]);
  });

  test('that is disabled is refused, whatever it asks for, and its keys are not shown', async () => {
    const token = accessToken('disabled');
    for (const [method, url] of [
      ['POST', path],
      ['GET', path],
      ['DELETE', `${path}/x`],
      ['POST', '/oidc/jwks/nonce'],
    ] as const) {
      const answer = await ask(method, url, { token });
      expect([answer.status, answer.json['error']], `${method} ${url}`).toEqual([403, 'client_disabled']);
    }
    expect((await published('disabled')).status).toBe(404);
    await register({ proof: proof() });
    world.disabled.add('app');
    expect((await published()).json).toEqual({ keys: [] });
    expect(world.log).toContainEqual(
      expect.objectContaining({ audit: 'refused', client: 'disabled', code: 'client_disabled' }),
    );
  });

  test('has no key of its own that an operator denied, now or later, also while the store cannot be asked', async () => {
    const { jkt } = (await register({ proof: proof() })).json;
    const before = await published();
    expect(before.json['keys']).toHaveLength(1);
    world.broken.value = true;
    world.denied.value = new Set([String(jkt)]);
    const held = await published();
    expect(held.json).toEqual({ keys: [] });
    expect(held.headers['etag']).not.toBe(before.headers['etag']);
    world.broken.value = false;
    expect((await published()).json).toEqual({ keys: [] });
    const again = await register({ proof: proof() });
    expect([again.status, again.json['error']]).toEqual([409, 'key_revoked']);
    world.denied.value = new Set();
    expect((await published()).headers['etag']).toBe(before.headers['etag']);
  });

  test('is not asked to keep a set longer than its keys are valid', async () => {
    await register({ proof: proof() });
    const ago = clock.wall();
    await clock.advance(3_600_000 - 5500);
    try {
      expect((await published()).headers['cache-control']).toBe('public, max-age=5');
      await clock.advance(5500);
      expect((await published()).json).toEqual({ keys: [] });
    } finally {
      clock.stepWall(ago - clock.wall());
    }
  });

  test('gets a nonce that is good once, where one is needed', async () => {
    const careful = await start({ nonce: true });
    expect((await register({ proof: proof() }, { of: careful })).json).toMatchObject({
      error: 'invalid_nonce',
    });
    const issued = await ask('POST', '/oidc/jwks/nonce', { of: careful });
    expect(issued.json).toEqual({ nonce: expect.any(String), expires_in: 300 });
    const withNonce = (jti: string): string =>
      makeProof({ payload: { iss: 'app', iat: seconds, jti, nonce: issued.json['nonce'] } });
    expect((await register({ proof: withNonce('n1') }, { of: careful })).status).toBe(200);
    expect((await register({ proof: withNonce('n2') }, { of: careful })).json['code']).toBe('nonce_unknown');
  });
});

describe('while the store cannot be asked', () => {
  test('writes are 503, sets that were asked for go on, and all is well afterwards', async () => {
    await register({ proof: proof() });
    const before = await published();
    world.broken.value = true;
    const refused = await register({ proof: proof() });
    expect([refused.status, refused.json['code']]).toEqual([503, 'temporarily_unavailable']);
    expect(refused.headers['retry-after']).toBe('5');
    expect((await published()).text).toBe(before.text);
    const other = await published('another');
    expect([other.status, other.headers['retry-after']]).toEqual([503, expect.any(String)]);
    expect(other.headers['cache-control']).toBe('no-store');
    // Nobody without a token can fill the log.
    expect(world.log.filter((line) => Number(line['level']) >= 40)).toEqual([]);
    expect(world.log.at(-1)).toMatchObject({ audit: 'register', outcome: 'temporarily_unavailable' });
    const status = JSON.parse((await world.ops.inject('/status')).body) as Record<string, unknown>;
    expect(status['registration']).toMatchObject({ store: 'memory', ok: false, detail: 'off' });
    expect((await world.app.inject('/readyz')).statusCode).toBe(200);
    world.broken.value = false;
    expect((await register({ proof: proof() })).json['status']).toBe('exists');
  });
});

describe('an administrator', () => {
  test('lists all keys or those of a client, and deletes one', async () => {
    await register({ proof: proof() });
    const { jkt } = (await register({ proof: proof({}, 'b/c') }, { token: accessToken('b/c') })).json;
    const list = async (query: string): Promise<unknown[]> =>
      (JSON.parse((await world.ops.inject(`/registrations${query}`)).body) as { keys: unknown[] }).keys;
    expect(await list('')).toHaveLength(2);
    expect(await list('?client=b%2Fc')).toMatchObject([{ jkt }]);
    const removed = await world.ops.inject({ method: 'DELETE', url: `/registrations/b%2Fc/${String(jkt)}` });
    expect(removed.statusCode).toBe(204);
    expect((await published('b/c')).json).toEqual({ keys: [] });
    const gone = await world.ops.inject({ method: 'DELETE', url: `/registrations/x/${String(jkt)}` });
    expect(gone.statusCode).toBe(404);
    expect((await world.ops.inject('/registrations?client=app&client=b')).statusCode).toBe(400);
    expect((await world.ops.inject('/registrations?cursor=x')).statusCode).toBe(400);
  });
});

test('every write leaves a line that says who, which key and what came of it, and no secret', async () => {
  const text = proof();
  const { jkt } = (await register({ proof: text })).json;
  await register({ proof: 'x' });
  await ask('DELETE', `${path}/${String(jkt)}`);
  const lines = world.log.filter((line) => 'audit' in line);
  expect(lines).toMatchObject([
    { audit: 'register', client: 'app', outcome: 'created', jkt },
    { audit: 'register', client: 'app', outcome: 'invalid_proof', code: 'not_compact' },
    { audit: 'delete', client: 'app', outcome: 'done', jkt },
  ]);
  expect(JSON.stringify(world.log)).not.toContain(text.slice(0, 40));
});
