import { describe, expect, test } from 'vitest';
import { FakeSource } from '../fakes/source.ts';
import { digest, ecKey, rsaKey, service, spec } from './service.ts';

const sets = [
  spec('default', { paths: ['/.well-known/jwks.json'], pemPaths: ['/certs'] }),
  spec('second', { profile: 'full' }),
];
const bad = rsaKey('bad');
const good = ecKey('good');
const start = async (ops = {}) =>
  await service({ sources: [new FakeSource('main', [bad, good])], sets, ops });
const url = `/denied/${bad.thumbprint}`;
const put = (payload: unknown = { reason: 'leaked' }) =>
  ({
    method: 'PUT',
    url,
    headers: { 'content-type': 'application/json' },
    payload: JSON.stringify(payload),
  }) as const;

describe('a denied key', () => {
  test('is gone from every set, its PEM and its JWK before the answer is sent, and comes back when allowed', async () => {
    const { app, ops } = await start();
    const kids = async (path: string): Promise<string[]> =>
      (await app.inject(path)).json<{ keys: { kid: string }[] }>().keys.map(({ kid }) => kid);
    const pem = async (): Promise<number> => (await app.inject(`/certs/${digest('bad')}.pem`)).statusCode;
    expect(await kids('/.well-known/jwks.json')).toEqual(['bad', 'good']);

    const denied = await ops.inject(put());
    expect([denied.statusCode, denied.body]).toEqual([204, '']);
    expect(await kids('/.well-known/jwks.json')).toEqual(['good']);
    expect(await kids('/sets/second/jwks.json')).toEqual(['good']);
    expect(await pem()).toBe(404);
    expect((await app.inject('/sets/default/keys/bad')).statusCode).toBe(404);
    expect((await app.inject(`/sets/default/keys/${bad.thumbprint}`)).statusCode).toBe(404);

    const list = await ops.inject('/denied');
    expect(list.json()).toEqual({
      denied: [{ thumbprint: bad.thumbprint, reason: 'leaked', since: expect.any(String) }],
    });
    expect((await ops.inject('/metrics')).body).toContain(
      'jwksd_set_withheld{set="default",reason="denied"} 1',
    );

    expect((await ops.inject({ method: 'DELETE', url })).statusCode).toBe(204);
    expect(await kids('/.well-known/jwks.json')).toEqual(['bad', 'good']);
    expect(await pem()).toBe(200);
  });

  test('stays away when its source is refreshed and lists it under another name', async () => {
    const source = new FakeSource('main', [bad]);
    const { app, ops, keyring } = await service({ sources: [source], sets });
    await ops.inject(put());
    source.publish([rsaKey('renamed'), good]);
    await keyring.settled();
    const { keys } = (await app.inject('/sets/second/jwks.json')).json<{ keys: { kid: string }[] }>();
    expect(keys.map(({ kid }) => kid)).toEqual(['good']);
  });

  test('that was the only one leaves 503 and no empty set', async () => {
    const { app, ops } = await service({ sources: [new FakeSource('main', [bad])], sets });
    await ops.inject(put());
    expect((await app.inject('/.well-known/jwks.json')).statusCode).toBe(503);
    expect((await app.inject('/readyz')).statusCode).toBe(503);
  });
});

describe('a change of the deny list is refused', () => {
  test.each([
    ['without a body', undefined],
    ['without a reason', {}],
    ['with an empty reason', { reason: ' ' }],
    ['with a reason that is no text', { reason: 5 }],
    ['with a reason that is too long', { reason: 'x'.repeat(501) }],
    ['with another member', { reason: 'x', until: 'tomorrow' }],
    ['with a list', ['reason']],
  ])('%s', async (_name, payload) => {
    const { ops, keyring } = await start();
    const answer = await ops.inject(payload === undefined ? { method: 'PUT', url } : put(payload));
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'bad_request' });
    expect(keyring.denied()).toEqual([]);
  });

  test('for what is no thumbprint', async () => {
    const { ops } = await start();
    const answer = await ops.inject({ ...put(), url: '/denied/..%2F..%2Fetc' });
    expect(answer.statusCode).toBe(400);
    expect((await ops.inject({ method: 'DELETE', url: '/denied/x' })).statusCode).toBe(400);
  });

  test('without the token of the listener', async () => {
    const { ops, keyring } = await start({ token: 'a-long-token-of-the-ops-listener' });
    expect((await ops.inject(put())).statusCode).toBe(401);
    expect((await ops.inject({ method: 'DELETE', url })).statusCode).toBe(401);
    expect(keyring.denied()).toEqual([]);
    expect((await ops.inject('/denied')).statusCode).toBe(200);
  });

  test('when it cannot be stored: 503, and the key stays', async () => {
    const { ops, keyring } = await start();
    keyring.deny = async () => await Promise.reject(new Error('ENOSPC'));
    const answer = await ops.inject(put());
    expect(answer.statusCode).toBe(503);
    expect(answer.json()).toMatchObject({ code: 'not_stored' });
    expect(answer.body).not.toContain('ENOSPC');
  });

  test('by another method: 405 that says which', async () => {
    const { ops } = await start();
    const answer = await ops.inject({ method: 'POST', url });
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, 'PUT, DELETE']);
  });
});
