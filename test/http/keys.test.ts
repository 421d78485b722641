import { describe, expect, test } from 'vitest';
import type { Key } from '../../src/jwk/key.ts';
import { FakeSource } from '../fakes/source.ts';
import { ecKey, rsaKey, service } from './service.ts';

const withKeys = async (...keys: Key[]) => {
  const main = new FakeSource('main', keys);
  return { main, ...(await service({ sources: [main] })) };
};
const at = (kid: string): string => `/sets/default/keys/${kid}`;

describe('one key', () => {
  test('is the bytes it has inside the JWK Set', async () => {
    const { app } = await withKeys(rsaKey('a'), ecKey('b'));
    const set = await app.inject({ url: '/sets/default/jwks.json' });
    const answer = await app.inject({ url: at('b'), headers: { 'accept-encoding': 'gzip' } });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toBe('application/jwk+json');
    expect(answer.headers['content-length']).toBe(String(answer.rawPayload.length));
    expect(set.body).toContain(answer.body);
    expect(answer.headers['cache-control']).toBe(set.headers['cache-control']);
    const head = await app.inject({ method: 'HEAD', url: at('b') });
    expect([head.statusCode, head.rawPayload.length, head.headers.etag]).toEqual([
      200,
      0,
      answer.headers.etag,
    ]);
    const known = await app.inject({
      url: at('b'),
      headers: { 'if-none-match': String(answer.headers.etag) },
    });
    expect(known.statusCode).toBe(304);
  });

  test.each([
    ['a/b/c', ['a/b/c', 'a%2Fb%2fc']],
    ['a//b', ['a//b']],
    ['x+y=', ['x+y=', 'x%2By%3D']],
    ['ünï', ['%C3%BCn%C3%AF']],
    ['50%', ['50%25']],
    ['k'.repeat(1000), ['k'.repeat(1000)]],
  ])('kid %s is found as %j', async (kid, spellings) => {
    const { app } = await withKeys(ecKey(kid));
    for (const spelling of spellings) {
      const byPath = await app.inject({ url: at(spelling) });
      expect([byPath.statusCode, byPath.json<{ kid: string }>().kid]).toEqual([200, kid]);
    }
    const byQuery = await app.inject({ url: `/sets/default/keys?x=1&kid=${encodeURIComponent(kid)}` });
    expect(byQuery.json<{ kid: string }>().kid).toBe(kid);
  });

  test('a plus in the query is a plus first and a space second', async () => {
    const both = await withKeys(ecKey('a+b'), rsaKey('a b'));
    const kidOf = async (app: typeof both.app): Promise<string> =>
      (await app.inject({ url: '/sets/default/keys?kid=a+b' })).json<{ kid: string }>().kid;
    expect(await kidOf(both.app)).toBe('a+b');
    const space = await withKeys(rsaKey('a b'));
    expect(await kidOf(space.app)).toBe('a b');
    expect(space.main.refreshes).toEqual([]);
  });

  test('is found by its thumbprint too', async () => {
    const key = ecKey('named');
    const { app } = await withKeys(key);
    expect((await app.inject({ url: at(key.thumbprint) })).body).toBe(key.json);
  });

  test('with .pem appended is its PEM, but a kid that ends in .pem is itself', async () => {
    const [plain, odd] = [ecKey('a'), rsaKey('a.pem')];
    const alone = await withKeys(plain);
    const pem = await alone.app.inject({ url: at('a.pem') });
    expect([pem.body, pem.headers['content-type']]).toEqual([
      plain.pem,
      'application/x-x509-ca-cert; charset=utf-8',
    ]);
    const { app } = await withKeys(plain, odd);
    expect((await app.inject({ url: at('a.pem') })).body).toBe(odd.json);
    expect((await app.inject({ url: at('a.pem.pem') })).body).toBe(odd.pem);
  });

  test('unknown to us is looked for once upstream, then a 404 problem, or text for a .pem', async () => {
    const { app, main } = await withKeys(ecKey('a'));
    const answer = await app.inject({ url: at('nobody') });
    expect(answer.json()).toMatchObject({ status: 404, code: 'unknown_key' });
    expect(answer.headers['access-control-allow-origin']).toBe('*');
    expect(main.refreshes).toEqual(['demand']);
    const pem = await app.inject({ url: at('nobody.pem') });
    expect([pem.statusCode, pem.headers['content-type']]).toEqual([404, 'text/plain; charset=utf-8']);
  });

  test('that has just been published is found by its kid, as JWK and as PEM', async () => {
    for (const suffix of ['', '.pem']) {
      const { app, main } = await withKeys(ecKey('a'));
      main.onRefresh = () => main.publish([ecKey('a'), rsaKey('fresh')]);
      expect((await app.inject({ url: at(`fresh${suffix}`) })).statusCode).toBe(200);
    }
  });

  test('that no key can be called is 404 without a refresh', async () => {
    const { app, main } = await withKeys(ecKey('a'));
    for (const name of ['%00', 'a%0A', 'k'.repeat(1025)]) {
      expect((await app.inject({ url: at(name) })).statusCode).toBe(404);
    }
    expect((await app.inject({ url: '/sets/default/keys?kid=' })).statusCode).toBe(404);
    expect(main.refreshes).toEqual([]);
  });

  test('ambiguous names are 409 unless the query decides', async () => {
    const [rsa, ec] = [rsaKey('twice'), ecKey('twice')];
    const { app } = await withKeys(rsa, ec);
    const answer = await app.inject({ url: at('twice') });
    expect(answer.json()).toMatchObject({ status: 409, code: 'ambiguous_key' });
    expect(answer.body).toContain(rsa.thumbprint);
    expect((await app.inject({ url: `${at('twice')}?kty=EC` })).body).toBe(ec.json);
    expect((await app.inject({ url: '/sets/default/keys?alg=RS256&kid=twice' })).body).toBe(rsa.json);
  });

  test('unknown sets, missing names, and sets with nothing loaded are told apart', async () => {
    const { app } = await withKeys(ecKey('a'));
    const codeOf = async (url: string): Promise<unknown> =>
      (await app.inject({ url })).json<{ code: string }>().code;
    expect(await codeOf('/sets/nobody/keys/a')).toBe('unknown_set');
    expect(await codeOf('/sets/default/keys')).toBe('bad_request');
    expect(await codeOf('/sets/default/keys/')).toBe('bad_request');
    const cold = await service({ sources: [new FakeSource('main')] });
    expect((await cold.app.inject({ url: at('a') })).json()).toMatchObject({
      status: 503,
      code: 'nothing_loaded',
    });
  });
});
