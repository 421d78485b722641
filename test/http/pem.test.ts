import { createPublicKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { FakeSource } from '../fakes/source.ts';
import { digest, ecKey, rsaKey, service, defaultSet, spec } from './service.ts';

const kid = '1DKOk8q4Dc9BSgDLmksFemg5lEGuoYQvYrHVOnXNj3k';
const file = 'e15452c2c03fc8afdb1d558953ab30ffd235a622fad1175de7f791a3c86eb08d.pem';
const unknown = `${digest('unknown')}.pem`;

describe('a PEM', () => {
  test('of the known vector is a whole SPKI PEM with the headers Prosody and Atlassian expect', async () => {
    const { app } = await service({ sources: [new FakeSource('main', [rsaKey(kid)])] });
    const answer = await app.inject({ url: `/certs/${file}`, headers: { 'accept-encoding': 'gzip, br' } });
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toMatch(
      /^-----BEGIN PUBLIC KEY-----\n(?:[\w+/=]{1,64}\n)+-----END PUBLIC KEY-----\n$/u,
    );
    expect(createPublicKey(answer.body).asymmetricKeyType).toBe('rsa');
    expect(answer.headers).toMatchObject({
      'content-type': 'application/x-x509-ca-cert; charset=utf-8',
      'content-length': String(answer.rawPayload.length),
      'cache-control': 'public, max-age=300, stale-while-revalidate=60, stale-if-error=86400',
      vary: 'Accept',
      'access-control-allow-origin': '*',
    });
    expect(answer.headers).not.toHaveProperty('content-encoding');
    const atlassian = await app.inject({
      url: `/certs/${file}`,
      headers: { accept: 'application/x-pem-file' },
    });
    expect(atlassian.headers['content-type']).toBe('application/x-pem-file');
    const etag = String(answer.headers.etag);
    const known = await app.inject({ url: `/certs/${file}`, headers: { 'if-none-match': etag } });
    expect([known.statusCode, known.headers.etag]).toEqual([304, etag]);
  });

  test('is found however the client writes slashes and digits', async () => {
    const main = new FakeSource('main', [rsaKey(kid)]);
    const { app } = await service({ sources: [main] });
    const upper = `${file.slice(0, 64).toUpperCase()}.pem`;
    for (const url of [
      `/${file}`,
      `//${file}`,
      `///certs//${file}`,
      `/certs/${upper}`,
      `/certs/${file}?a=b`,
    ]) {
      const get = await app.inject({ url });
      const head = await app.inject({ method: 'HEAD', url });
      expect([get.statusCode, head.statusCode, head.rawPayload.length], url).toEqual([200, 200, 0]);
      expect(head.headers['content-length']).toBe(String(get.rawPayload.length));
    }
    expect(main.refreshes).toEqual([]);
  });

  test('with a malformed name is 404 at once, without a refresh', async () => {
    const main = new FakeSource('main', [rsaKey(kid)]);
    const { app } = await service({ sources: [main] });
    for (const name of [
      'x.pem',
      `${'g'.repeat(64)}.pem`,
      `${'a'.repeat(63)}.pem`,
      `${'a'.repeat(65)}.pem`,
      '.pem',
    ]) {
      const answer = await app.inject({ url: `/certs/${name}` });
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([404, 'text/plain; charset=utf-8']);
    }
    expect(main.refreshes).toEqual([]);
  });

  test.each(['GET', 'HEAD'] as const)(
    'unknown to us is looked for once upstream (%s), then 404',
    async (method) => {
      const main = new FakeSource('main', [rsaKey(kid)]);
      const { app } = await service({ sources: [main] });
      const answer = await app.inject({ method, url: `/certs/${unknown}` });
      expect(answer.statusCode).toBe(404);
      expect(answer.headers).toMatchObject({
        'content-type': 'text/plain; charset=utf-8',
        'cache-control': 'no-store',
        'access-control-allow-origin': '*',
      });
      expect(main.refreshes).toEqual(['demand']);
      await app.inject({ method, url: `/certs/${unknown}` });
      expect(main.refreshes).toEqual(['demand']);
    },
  );

  test('that the upstream has just begun to publish is found by the first request for it', async () => {
    const main = new FakeSource('main', [rsaKey(kid)]);
    main.onRefresh = () => main.publish([rsaKey(kid), rsaKey('fresh')]);
    const { app, keyring } = await service({ sources: [main] });
    const before = keyring.current.generation;
    const answer = await app.inject({ url: `/certs/${digest('fresh')}.pem` });
    expect(answer.statusCode).toBe(200);
    expect(keyring.current.generation).toBeGreaterThan(before);
  });

  test('with nothing loaded is 503 at once', async () => {
    const main = new FakeSource('main');
    const { app } = await service({ sources: [main] });
    const answer = await app.inject({ url: `/certs/${file}` });
    expect(answer.statusCode).toBe(503);
    expect(answer.headers).toMatchObject({ 'retry-after': '2', 'content-type': 'text/plain; charset=utf-8' });
    expect(main.refreshes).toEqual([]);
  });

  test('of a kid that stands for two keys is 409 with both thumbprints unless the query decides', async () => {
    const [rsa, ec] = [rsaKey('twice'), ecKey('twice')];
    const { app } = await service({ sources: [new FakeSource('main', [rsa, ec])] });
    const url = `/certs/${digest('twice')}.pem`;
    const answer = await app.inject({ url });
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([409, 'text/plain; charset=utf-8']);
    expect(answer.body).toContain(rsa.thumbprint);
    expect(answer.body).toContain(ec.thumbprint);
    expect((await app.inject({ url: `${url}?alg=RS256` })).body).toBe(rsa.pem);
    expect((await app.inject({ url: `${url}?kty=EC` })).body).toBe(ec.pem);
    expect((await app.inject({ url: `${url}?kty=OKP` })).statusCode).toBe(404);
    expect((await app.inject({ url: `${url}?x=EC` })).statusCode).toBe(409);
  });

  test('of a key without kid is named by its thumbprint', async () => {
    const key = ecKey();
    const { app } = await service({ sources: [new FakeSource('main', [key])] });
    expect((await app.inject({ url: `/${digest(key.thumbprint)}.pem` })).body).toBe(key.pem);
  });

  test('is served only below the directories of its own set', async () => {
    const sources = [new FakeSource('main', [rsaKey('a')]), new FakeSource('two', [rsaKey('b')])];
    const { app } = await service({
      sources,
      sets: [defaultSet, spec('jitsi', { sources: ['two'], pemPaths: ['/jitsi'] })],
    });
    expect((await app.inject({ url: `/jitsi/${digest('b')}.pem` })).statusCode).toBe(200);
    expect((await app.inject({ url: `/certs/${digest('b')}.pem` })).statusCode).toBe(404);
    expect((await app.inject({ url: `/elsewhere/${digest('b')}.pem` })).statusCode).toBe(404);
  });
});
