import { describe, expect, test } from 'vitest';
import { errors } from '../../src/errors.ts';
import { FakeSource } from '../fakes/source.ts';
import { digest, ecKey, rsaKey, service } from './service.ts';

const path = '/.well-known/jwks.json';
const loaded = (app = {}) => service({ sources: [new FakeSource('main', [rsaKey('a')])], app });

describe('a path that nothing has', () => {
  test.each([
    '/nothing',
    '/.well-known/jwks.json/',
    '/.well-known/JWKS.json',
    '/certs',
    '/certs/',
    '/sets',
    '/sets/default',
    '/sets/none/jwks.json',
    '/%00',
    '/.well-known/jwks.json%00',
    '/constructor',
    '/__proto__',
  ])('%s is a 404 problem that a browser may read', async (url) => {
    const { app } = await loaded();
    const answer = await app.inject({ url });
    expect(answer.statusCode).toBe(404);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'access-control-allow-origin': '*',
    });
    expect(answer.json()).toEqual({
      type: 'urn:jwksd:problem:not_found',
      title: errors.not_found.title,
      status: 404,
      detail: 'Nothing is published at this path.',
      code: 'not_found',
    });
  });
});

describe('a target that cannot be understood', () => {
  test('is a 400 problem when its percent-encoding is broken', async () => {
    const { app } = await loaded();
    for (const url of ['/%', '/%zz', '/sets/default/keys/%ff', '/a%2']) {
      const answer = await app.inject({ url });
      expect(answer.json(), url).toMatchObject({ status: 400, code: 'bad_request' });
      expect(answer.headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'access-control-allow-origin': '*',
      });
    }
    const pem = await app.inject({ url: '/certs/%zz.pem' });
    expect([pem.statusCode, pem.headers['content-type']]).toEqual([400, 'text/plain; charset=utf-8']);
  });

  test('is 414 when it is longer than 8 KiB, whatever the method', async () => {
    const { app } = await loaded();
    for (const method of ['GET', 'HEAD', 'POST'] as const) {
      const answer = await app.inject({ method, url: `${path}?${'a'.repeat(8192)}` });
      expect(answer.statusCode).toBe(414);
    }
    const long = await app.inject({ url: `/${'a'.repeat(10_000)}` });
    expect(long.json()).toMatchObject({ code: 'uri_too_long' });
    expect((await app.inject({ url: `/${'a'.repeat(8000)}` })).statusCode).toBe(404);
  });
});

describe('another method', () => {
  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'TRACE'] as const)(
    '%s is 405 with Allow on everything that exists, whatever the body',
    async (method) => {
      const { app } = await loaded();
      const bodies = [
        {},
        { headers: { 'content-type': 'application/json' }, payload: '{' },
        { headers: { 'content-type': 'a/b; c' }, payload: 'x'.repeat(100_000) },
        { headers: { 'content-type': 'nonsense' }, payload: 'x' },
      ];
      const urls = [
        path,
        '/sets/default/jwks.json',
        `//${digest('a')}.pem`,
        '/sets/default/keys/a',
        '/',
        '/livez',
      ];
      for (const url of urls) {
        for (const body of method === 'TRACE' ? [{}] : bodies) {
          const answer = await app.inject({ method: method as 'POST', url, ...body });
          expect(
            [answer.statusCode, answer.headers.allow],
            `${url} ${JSON.stringify(body).slice(0, 60)}`,
          ).toEqual([405, url === '/' || url === '/livez' ? 'GET, HEAD' : 'GET, HEAD, OPTIONS']);
          expect(answer.headers['access-control-allow-origin']).toBe('*');
        }
      }
      expect((await app.inject({ method: method as 'POST', url: '/nothing' })).statusCode).toBe(404);
      expect((await app.inject({ method: method as 'POST', url: '/sets/no/keys/a' })).statusCode).toBe(404);
    },
  );
});

describe('what fails inside', () => {
  test('is told without its message, and logged once under the name that the answer gives', async () => {
    const { app, keyring, log } = await loaded();
    Object.defineProperty(keyring, 'demand', {
      value: async () => await Promise.reject(new Error('secret detail')),
    });
    const answer = await app.inject({ url: '/sets/default/keys/nobody' });
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('secret');
    const { code, instance } = answer.json<{ code: string; instance: string }>();
    expect(code).toBe('internal');
    const lines = log.filter((line) => line['msg'] === 'a request failed');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ err: { message: 'secret detail' } });
    expect(instance).toBe(`urn:jwksd:request:${String(lines[0]?.['reqId'])}`);
    const pem = await app.inject({ url: `/certs/${digest('nobody')}.pem` });
    expect([pem.statusCode, pem.headers['content-type']]).toEqual([500, 'text/plain; charset=utf-8']);
    expect(pem.body).not.toContain('secret');
  });
});

describe('CORS', () => {
  test.each([
    ['/nothing', 404],
    ['/sets/none/jwks.json', 404],
    ['/sets/none/keys/a', 404],
    ['/certs', 404],
    ['/certs/odd.pem', 404],
    ['/', 405],
    ['/readyz', 405],
  ])('a preflight of %s, which is no document, is %i and allows nothing', async (url, status) => {
    for (const corsOrigins of ['*', ['https://app.example']] as const) {
      const { app } = await loaded({ corsOrigins });
      const answer = await app.inject({
        method: 'OPTIONS',
        url,
        headers: { origin: 'https://app.example', 'access-control-request-method': 'GET' },
      });
      expect(answer.statusCode).toBe(status);
      expect(answer.headers.allow).toBe(status === 405 ? 'GET, HEAD' : undefined);
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
    }
  });

  test('a preflight is 204 on every document, with or without its headers', async () => {
    const { app } = await loaded();
    for (const url of [path, `/certs/${digest('a')}.pem`, '/sets/default/keys/a']) {
      const asked = {
        origin: 'https://app.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'x-custom',
      };
      const answer = await app.inject({ method: 'OPTIONS', url, headers: asked });
      expect(answer.statusCode).toBe(204);
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET, HEAD, OPTIONS',
        'access-control-allow-headers': 'x-custom',
        allow: 'GET, HEAD, OPTIONS',
        'x-content-type-options': 'nosniff',
      });
      expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
      expect((await app.inject({ method: 'OPTIONS', url })).statusCode).toBe(204);
    }
  });

  test('with a list only those origins are named, and caches are told', async () => {
    const corsOrigins = ['https://a.example', 'https://b.example'];
    const { app } = await loaded({ corsOrigins });
    for (const url of [path, `/certs/${digest('a')}.pem`, '/sets/default/keys/a', '/nothing']) {
      for (const origin of corsOrigins) {
        const { headers } = await app.inject({ url, headers: { origin } });
        expect(headers['access-control-allow-origin']).toBe(origin);
        expect(headers['access-control-expose-headers']).toBe('ETag, Age, JWKS-Degraded');
        expect(headers.vary).toMatch(/\bOrigin$/u);
      }
      for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null' }, {}]) {
        const answer = await app.inject({ url, headers });
        expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
        expect(answer.headers.vary).toMatch(/\bOrigin$/u);
      }
    }
    const preflight = (origin: string) =>
      app.inject({
        method: 'OPTIONS',
        url: path,
        headers: { origin, 'access-control-request-method': 'GET' },
      });
    expect((await preflight('https://a.example')).headers['access-control-allow-origin']).toBe(
      'https://a.example',
    );
    expect((await preflight('https://evil.example')).headers).not.toHaveProperty(
      'access-control-allow-origin',
    );
    const fresh = await app.inject({
      url: path,
      headers: { origin: 'https://a.example', 'if-none-match': '*' },
    });
    expect([fresh.statusCode, fresh.headers['access-control-allow-origin']]).toEqual([
      304,
      'https://a.example',
    ]);
  });
});

const ipOf = async (trustProxy: boolean | readonly string[]): Promise<string> => {
  const { app } = await loaded({ trustProxy });
  app.get('/ip', (request, reply) => reply.send(request.ip));
  const headers = { 'x-forwarded-for': '203.0.113.9' };
  return (await app.inject({ url: '/ip', headers, remoteAddress: '10.0.0.1' })).body;
};

test('a request header such as X-Forwarded-For is believed only where configured', async () => {
  expect(await ipOf(false)).toBe('10.0.0.1');
  expect(await ipOf(true)).toBe('203.0.113.9');
  expect(await ipOf(['10.0.0.0/8'])).toBe('203.0.113.9');
  expect(await ipOf(['192.168.0.0/16'])).toBe('10.0.0.1');
});

test('an unusual key set does not disturb the paths of others', async () => {
  const { app } = await service({
    sources: [new FakeSource('main', [ecKey('__proto__'), rsaKey('constructor')])],
  });
  expect((await app.inject({ url: '/sets/default/keys/__proto__' })).json()).toMatchObject({ kty: 'EC' });
  expect((await app.inject({ url: '/sets/default/keys/constructor' })).json()).toMatchObject({ kty: 'RSA' });
  expect((await app.inject({ url: '/sets/__proto__/keys/a' })).json()).toMatchObject({ code: 'unknown_set' });
});
