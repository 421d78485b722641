import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { FakeSource } from '../fakes/source.ts';
import { ecKey, rsaKey, service, spec, defaultSet } from './service.ts';

const path = '/.well-known/jwks.json';
const loaded = () => service({ sources: [new FakeSource('main', [rsaKey('a'), ecKey('b'), rsaKey('c')])] });

describe('the JWK Set', () => {
  test('is exactly {"keys":[…]} at every path of the set', async () => {
    const { app } = await loaded();
    for (const url of [
      path,
      '/sets/default/jwks.json',
      `${path}?x=1`,
      `/${path}`,
      '/sets//default/jwks.json',
    ]) {
      const answer = await app.inject({ url });
      expect(answer.statusCode, url).toBe(200);
      expect(Object.keys(answer.json())).toEqual(['keys']);
      expect(answer.json<{ keys: { kid: string }[] }>().keys.map(({ kid }) => kid)).toEqual(['a', 'b', 'c']);
    }
  });

  test('carries the headers of the contract', async () => {
    const { app, keyring } = await loaded();
    const { headers, rawPayload } = await app.inject({ url: path });
    const set = keyring.current.sets.get('default');
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(rawPayload.length),
      etag: set?.document?.identity.etag,
      'last-modified': new Date(set?.lastModified ?? 0).toUTCString(),
      'cache-control': 'public, max-age=300, stale-while-revalidate=60, stale-if-error=86400',
      vary: 'Accept, Accept-Encoding',
      'access-control-allow-origin': '*',
      'access-control-expose-headers': 'ETag, Age, JWKS-Degraded',
      'x-content-type-options': 'nosniff',
    });
    for (const absent of [
      'server',
      'jwks-degraded',
      'content-encoding',
      'access-control-allow-credentials',
    ]) {
      expect(headers).not.toHaveProperty(absent);
    }
  });

  test('is never refused for what Accept says', async () => {
    const { app } = await loaded();
    for (const [accept, type] of [
      ['application/jwk-set+json', 'application/jwk-set+json'],
      ['text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2', 'application/json'],
      ['image/png', 'application/json'],
      ['application/jwk-set+json;q=0', 'application/json'],
    ] as const) {
      const answer = await app.inject({ url: path, headers: { accept } });
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, type]);
    }
  });

  test('is compressed only when asked for, to the same bytes, under a validator of its own', async () => {
    const { app } = await loaded();
    const plain = await app.inject({ url: path });
    const gz = await app.inject({ url: path, headers: { 'accept-encoding': 'gzip' } });
    const br = await app.inject({ url: path, headers: { 'accept-encoding': 'gzip, br' } });
    expect([gz.headers['content-encoding'], br.headers['content-encoding']]).toEqual(['gzip', 'br']);
    expect(gunzipSync(gz.rawPayload)).toEqual(plain.rawPayload);
    expect(brotliDecompressSync(br.rawPayload)).toEqual(plain.rawPayload);
    for (const answer of [gz, br]) {
      expect(answer.headers['content-length']).toBe(String(answer.rawPayload.length));
      expect(answer.headers['content-type']).toBe('application/json');
    }
    expect(new Set([plain, gz, br].map(({ headers }) => headers.etag)).size).toBe(3);
    const again = { 'accept-encoding': 'gzip', 'if-none-match': String(gz.headers.etag) };
    expect((await app.inject({ url: path, headers: again })).statusCode).toBe(304);
    const other = { 'accept-encoding': 'gzip', 'if-none-match': String(plain.headers.etag) };
    expect((await app.inject({ url: path, headers: other })).statusCode).toBe(200);
  });

  test('is 304 without a body to whoever has it, with the headers a cache needs', async () => {
    const { app } = await loaded();
    const { headers: first } = await app.inject({ url: path });
    const answer = await app.inject({
      url: path,
      headers: { 'if-none-match': `"x", W/${String(first.etag)}` },
    });
    expect(answer.statusCode).toBe(304);
    expect(answer.rawPayload.length).toBe(0);
    for (const name of ['etag', 'cache-control', 'vary', 'access-control-allow-origin']) {
      expect(answer.headers[name], name).toBe(first[name]);
    }
    expect(answer.headers).not.toHaveProperty('content-length');
    const since = await app.inject({
      url: path,
      headers: { 'if-modified-since': String(first['last-modified']) },
    });
    expect(since.statusCode).toBe(304);
  });

  test('HEAD has the headers of GET and no body', async () => {
    const { app } = await loaded();
    const get = await app.inject({ url: path });
    const head = await app.inject({ method: 'HEAD', url: path });
    expect(head.rawPayload.length).toBe(0);
    const { date: _get, ...expected } = get.headers;
    const { date: _head, ...found } = head.headers;
    expect(found).toEqual(expected);
  });

  test('follows the keyring without a restart, paths included', async () => {
    const main = new FakeSource('main', [rsaKey('a')]);
    const { app, keyring } = await service({ sources: [main] });
    const before = await app.inject({ url: path });
    main.publish([rsaKey('a'), rsaKey('new')]);
    await keyring.settled();
    const after = await app.inject({ url: path });
    expect(after.body).toContain('"new"');
    expect(after.headers.etag).not.toBe(before.headers.etag);
    await keyring.replace({ sources: [main], sets: [spec('default', { paths: ['/moved.json'] })] });
    expect((await app.inject({ url: path })).statusCode).toBe(404);
    expect((await app.inject({ url: '/moved.json' })).statusCode).toBe(200);
  });
});

describe('a set that cannot be served', () => {
  test('with nothing loaded is 503, never an empty set, also while other sets are served', async () => {
    const sources = [new FakeSource('main', [rsaKey('a')]), new FakeSource('late')];
    const { app } = await service({ sources, sets: [defaultSet, spec('other', { sources: ['late'] })] });
    const answer = await app.inject({ url: '/sets/other/jwks.json' });
    expect(answer.statusCode).toBe(503);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/problem+json',
      'retry-after': '2',
      'cache-control': 'no-store',
      'access-control-allow-origin': '*',
    });
    expect(answer.json()).toMatchObject({ status: 503, code: 'nothing_loaded' });
    expect((await app.inject({ url: path })).statusCode).toBe(200);
  });

  test('with keys its clients do not survive is 503 and says why', async () => {
    const sources = [new FakeSource('main', [rsaKey('a'), ecKey('b')])];
    const { app } = await service({ sources, sets: [spec('oc', { profile: 'opencast' })] });
    const answer = await app.inject({ url: '/sets/oc/jwks.json' });
    expect(answer.statusCode).toBe(503);
    expect(answer.json<{ code: string; detail: string }>()).toMatchObject({
      code: 'set_refused',
      detail: expect.stringMatching(/kty|type/u) as string,
    });
  });

  test('without a required source is served, short-lived and marked', async () => {
    const sources = [new FakeSource('main', [rsaKey('a')]), new FakeSource('late')];
    const { app } = await service({ sources, sets: [spec('both', { sources: ['main', 'late'] })] });
    for (const headers of [{}, { 'if-none-match': '*' }]) {
      const answer = await app.inject({ url: '/sets/both/jwks.json', headers });
      expect(answer.headers['jwks-degraded']).toBe('late');
      expect(answer.headers['cache-control']).toContain('max-age=5');
    }
  });
});
