import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FastifyInstance } from 'fastify';
import { validationFeature } from '../../src/http/routes/validation/feature.ts';
import { Validator } from '../../src/tokens/validation/validator.ts';
import { ManualClock } from '../fakes/clock.ts';
import { FakeSource } from '../fakes/source.ts';
import { signer } from '../tokens/signer.ts';
import pino from 'pino';
import { rsaKey, service } from './service.ts';

const pinoSilent = pino({ level: 'silent' });

const idp = signer('ES256', 'idp');
const clock = new ManualClock(Date.parse('2026-11-22T12:00:00Z'));
const exp = clock.wall() / 1000 + 60;
const iss = 'https://sso.example';
const token = (claims: object = {}): string => idp.token({ iss, sub: 'jane', exp, ...claims });

const secretOf = async (client: string): Promise<string | undefined> =>
  await Promise.resolve(client === 'gateway' ? 'pass word' : undefined);

let app: FastifyInstance;
let port = 0;
let log: Record<string, unknown>[];
beforeAll(async () => {
  const validator = new Validator({
    clock,
    issuers: [
      {
        name: 'main',
        issuer: iss,
        keys: () => [idp.key],
        demand: async () => await Promise.resolve(),
        algorithms: undefined,
        audience: [],
        clockSkew: 0,
        allowNoExp: false,
      },
    ],
    groups: {
      claim: 'groups',
      order: [
        'claim',
        {
          resolve: async (sub) =>
            await Promise.resolve(
              sub === 'unlucky'
                ? { known: 'unavailable' as const, hint: 'the directory is down' }
                : { known: false as const },
            ),
        },
      ],
    },
  });
  const made = await service({
    sources: [new FakeSource('main', [rsaKey('a')])],
    app: { features: [validationFeature({ validator, log: pinoSilent, secretOf })] },
  });
  ({ app, log } = made);
  await app.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = app.server.address() as AddressInfo);
});
afterAll(async () => await app.close());

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

const send = async (
  method: string,
  path: string,
  options: { headers?: http.OutgoingHttpHeaders; body?: string | Buffer; agent?: http.Agent } = {},
): Promise<Answer> =>
  await new Promise((resolve, reject) => {
    const { headers = {}, body, agent } = options;
    const request = http.request({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers,
      ...(agent ? { agent } : {}),
    });
    request.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        const isJson = String(response.headers['content-type']).includes('json') && text !== '';
        const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
    });
    request.end(body);
  });

const bearer = (text: string): http.OutgoingHttpHeaders => ({ authorization: `Bearer ${text}` });

describe('/validate', () => {
  test('says who a good token is of, in the body and in headers', async () => {
    const answer = await send('GET', '/validate', {
      headers: bearer(token({ groups: ['a', 'b c'], name: 'J' })),
    });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ sub: 'jane', iss, groups: ['a', 'b c'], exp, name: 'J' });
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'x-auth-subject': 'jane',
      'x-auth-groups': 'a,b%20c',
      'x-auth-issuer': iss,
    });
  });

  const methods = http.METHODS.filter((method) => method !== 'CONNECT');
  test.each(methods)('answers %s like any other method', async (method) => {
    const good = await send(method, '/validate/any/path', { headers: bearer(token()) });
    expect([good.status, good.headers['x-auth-subject']]).toEqual([200, 'jane']);
    const bad = await send(method, '/validate', { headers: bearer('x') });
    expect([bad.status, bad.headers['www-authenticate']]).toEqual([401, 'Bearer error="invalid_token"']);
  });

  test.each([
    'application/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/xml',
    undefined,
  ])('reads any body away, also of type %s', async (type) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const headers = { ...bearer(token()), ...(type === undefined ? {} : { 'content-type': type }) };
    for (let n = 0; n < 3; n += 1) {
      expect((await send('POST', '/validate', { headers, body: '{"a":', agent })).status).toBe(200);
    }
    agent.destroy();
  });

  test('answers in front of a body that never ends well, and closes the connection', async () => {
    const answer = await send('POST', '/validate', { headers: bearer(token()), body: Buffer.alloc(60_000) });
    expect(answer.status).toBe(200);
    const large = await send('POST', '/validate', {
      headers: bearer(token()),
      body: Buffer.alloc(1 << 20),
    }).then(
      ({ status }) => status,
      () => 'closed',
    );
    expect([200, 'closed']).toContain(large);
    expect((await send('GET', '/validate', { headers: bearer(token()) })).status).toBe(200);
  });

  test.each<[string, http.OutgoingHttpHeaders, number, string]>([
    ['no token', {}, 401, 'Bearer'],
    ['an empty token', { authorization: 'Bearer ' }, 401, 'Bearer'],
    ['Basic credentials', { authorization: 'Basic eDp5' }, 401, 'Bearer'],
    ['nonsense', bearer('x.y.z'), 401, 'Bearer error="invalid_token"'],
    ['an expired token', bearer(token({ exp: 5 })), 401, 'Bearer error="invalid_token"'],
    ['a token of 20 KiB', bearer(token({ x: 'x'.repeat(14_000) })), 401, 'Bearer error="invalid_token"'],
    ['a token with a text for groups', bearer(token({ groups: 'x' })), 401, 'Bearer error="invalid_token"'],
    [
      'groups that cannot be read',
      bearer(token({ sub: 'unlucky' })),
      403,
      'Bearer error="insufficient_scope"',
    ],
  ])('with %s', async (_name, headers, status, challenge) => {
    const answer = await send('GET', '/validate', { headers });
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([status, challenge]);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.text).not.toMatch(/jane|unlucky/u);
    expect(answer.headers['x-auth-subject']).toBeUndefined();
  });

  test.each([
    ['?aud=x', { aud: ['x', 'y'] }, 200],
    ['?aud=x&aud=z', { aud: ['x', 'y'] }, 403],
    ['?scope=read%20write', { scope: 'write read' }, 200],
    ['?scope=read+admin', { scope: 'write read' }, 403],
    ['?group=Staff', { groups: ['staff'] }, 200],
    ['?group=staff', {}, 403],
    ['?group=', { groups: ['staff'] }, 403],
    ['?aud=', { aud: 'x' }, 403],
    ['?scope=', { scope: 'read' }, 403],
    ['?explain=1', {}, 200],
  ])('%s narrows what is enough', async (query, claims, status) => {
    expect((await send('GET', `/validate${query}`, { headers: bearer(token(claims)) })).status).toBe(status);
  });

  test.each([
    ['a\r\nSet-Cookie: x', 'a%0D%0ASet-Cookie:%20x'],
    ['100%', '100%25'],
    ['ключ', '%D0%BA%D0%BB%D1%8E%D1%87'],
    ['\0\u{1F511}', '%00%F0%9F%94%91'],
  ])('the subject %j cannot break a header', async (sub, expected) => {
    const answer = await send('GET', '/validate', {
      headers: bearer(token({ sub, groups: ['x,admins', sub] })),
    });
    expect(answer.headers['x-auth-subject']).toBe(expected);
    expect(String(answer.headers['x-auth-groups'])).toMatch(/^x%2Cadmins,/u);
    expect(answer.json['sub']).toBe(sub);
  });

  test('does not answer for paths that only begin like it', async () => {
    for (const path of ['/validated', '/x/validate', '/validate.pem']) {
      expect((await send('GET', path, { headers: bearer(token()) })).status).toBe(404);
    }
    expect((await send('GET', '//validate//x', { headers: bearer(token()) })).status).toBe(200);
  });
});

describe('/introspect', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const basic = { authorization: `Basic ${Buffer.from('gateway:pass+word').toString('base64')}` };
  const ask = async (body: string, headers: http.OutgoingHttpHeaders = basic): Promise<Answer> =>
    await send('POST', '/introspect', { headers: { ...form, ...headers }, body });

  test('tells an authenticated client of a good token, and nothing of another', async () => {
    expect((await ask(`token=${token({ scope: 'read' })}`)).json).toEqual({
      active: true,
      sub: 'jane',
      iss,
      groups: [],
      exp,
      scope: 'read',
    });
    for (const bad of ['x', token({ exp: 5 }), token({ iss: 'other' }), token({ sub: '' })]) {
      const answer = await ask(`token=${bad}&token_type_hint=access_token`);
      expect([answer.status, answer.json]).toEqual([200, { active: false }]);
    }
  });

  test.each<[string, string, http.OutgoingHttpHeaders]>([
    ['nobody', '', {}],
    ['a wrong secret', '', { authorization: `Basic ${Buffer.from('gateway:wrong').toString('base64')}` }],
    ['an unknown client', '', { authorization: `Basic ${Buffer.from('x:').toString('base64')}` }],
    ['an unknown client without a secret', '&client_id=x&client_secret=', {}],
    ['credentials in two places', '&client_id=gateway&client_secret=pass+word', basic],
    ['broken Basic', '', { authorization: 'Basic !' }],
    ['a bearer token', '', { authorization: 'Bearer x' }],
  ])('refuses %s', async (_name, more, headers) => {
    const answer = await ask(`token=${token()}${more}`, headers);
    expect([answer.status, answer.json]).toEqual([401, { error: 'invalid_client' }]);
    expect(answer.headers['www-authenticate']).toBe('Basic realm="jwksd"');
  });

  test('takes credentials in the form', async () => {
    const answer = await ask(`token=${token()}&client_id=gateway&client_secret=pass+word`, {});
    expect(answer.json['active']).toBe(true);
  });

  test('says what is wrong with a request', async () => {
    expect((await ask('x=y')).json['error']).toBe('invalid_request');
    expect((await ask(`token=${token()}&token=x`)).json['error']).toBe('invalid_request');
    expect((await send('POST', '/introspect', { headers: basic, body: 'token=x' })).status).toBe(415);
    expect((await send('GET', '/introspect', { headers: basic })).headers['allow']).toBe('POST');
    expect((await ask(`token=${token({ sub: 'unlucky' })}`)).status).toBe(503);
  });
});

const review = async (spec: unknown, more: object = {}): Promise<Answer> =>
  await send('POST', '/tokenreview', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec, ...more }),
  });

/** The status of a review of a token for the audiences a and b. */
const reviewFor = async (audiences: unknown): Promise<unknown> =>
  (await review({ token: token({ aud: ['a', 'b'] }), audiences })).json['status'];

describe('/tokenreview', () => {
  test('says who a good token is of', async () => {
    expect((await review({ token: token({ groups: ['a'] }) })).json).toEqual({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      status: { authenticated: true, user: { username: 'jane', groups: ['a'] } },
    });
    expect((await review({ token: 'x' })).json['status']).toEqual({ authenticated: false });
  });

  test('takes a token of 16 KiB, and so does introspection', async () => {
    const large = token({ x: 'x'.repeat(12_000) });
    expect(large.length).toBeGreaterThan(16_000);
    expect((await review({ token: large })).json['status']).toMatchObject({ authenticated: true });
    const answer = await send('POST', '/introspect', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `token=${large}&client_id=gateway&client_secret=pass+word`,
    });
    expect(answer.json['active']).toBe(true);
  });

  test('intersects the audiences', async () => {
    expect(await reviewFor(['b', 'c'])).toMatchObject({ authenticated: true, audiences: ['b'] });
    expect(await reviewFor(['c'])).toMatchObject({ authenticated: false });
    expect(await reviewFor([])).not.toHaveProperty('audiences');
  });

  test.each([
    ['no token', {}, {}],
    ['a number for a token', { token: 5 }, {}],
    ['a text for audiences', { token: 'x', audiences: 'y' }, {}],
    ['another kind', { token: 'x' }, { kind: 'Pod' }],
    ['an old version', { token: 'x' }, { apiVersion: 'authentication.k8s.io/v1beta1' }],
    ['no spec', undefined, {}],
  ])('with %s is a problem', async (_name, spec, more) => {
    const answer = await review(spec, more);
    expect([answer.status, answer.json['code']]).toEqual([400, 'bad_request']);
  });
});

test('no token is ever logged', async () => {
  await send('GET', '/validate', { headers: bearer(token({ sub: 'unlucky' })) });
  expect(JSON.stringify(log)).not.toContain(token().slice(-20));
});
