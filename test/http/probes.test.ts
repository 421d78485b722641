import { expect, test } from 'vitest';
import { FakeSource } from '../fakes/source.ts';
import { ecKey, rsaKey, service, spec } from './service.ts';

test('live whatever the sources do, also while the service ends', async () => {
  const { app, ops, lifecycle } = await service({ sources: [new FakeSource('main')] });
  lifecycle.draining = true;
  for (const listener of [app, ops]) {
    const answer = await listener.inject({ url: '/livez' });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
  }
});

test.each(['/readyz', '/healthz'])('%s follows the keys and says why not', async (url) => {
  const main = new FakeSource('main');
  const { app, ops, keyring } = await service({ sources: [main] });
  const cold = await app.inject({ url });
  expect(cold.statusCode).toBe(503);
  expect(cold.headers).toMatchObject({ 'cache-control': 'no-store', 'retry-after': '2' });
  expect(cold.json()).toMatchObject({ status: 'not ready', sources: { main: 'INIT' } });
  expect(cold.json<{ reasons: string[] }>().reasons.join()).toContain('main');
  main.publish([rsaKey('a')]);
  await keyring.settled();
  for (const listener of [app, ops]) {
    const ready = await listener.inject({ url });
    expect(ready.statusCode).toBe(200);
    expect(ready.json()).toEqual({ status: 'ready', reasons: [], degraded: [], sources: { main: 'FRESH' } });
    const head = await listener.inject({ method: 'HEAD', url });
    expect([head.statusCode, head.rawPayload.length]).toEqual([200, 0]);
  }
  main.publish([], 'EXPIRED');
  await keyring.settled();
  expect((await app.inject({ url })).statusCode).toBe(503);
});

test.each(['/readyz', '/healthz'])('%s stays 200 and names the sources that are degraded', async (url) => {
  const main = new FakeSource('main', [rsaKey('a')]);
  const other = new FakeSource('other', [ecKey('b')]);
  const { app, ops, keyring } = await service({
    sources: [main, other],
    sets: [spec('default', { sources: ['main', 'other'] })],
  });
  other.publish([ecKey('b')], 'STALE');
  await keyring.settled();
  for (const listener of [app, ops]) {
    const stale = await listener.inject({ url });
    expect(stale.statusCode).toBe(200);
    expect(stale.json()).toEqual({
      status: 'ready',
      reasons: [],
      degraded: ['other'],
      sources: { main: 'FRESH', other: 'STALE' },
    });
  }
  expect((await ops.inject({ url: '/status' })).json()).toMatchObject({ ready: true, degraded: ['other'] });
  other.publish([], 'EXPIRED');
  await keyring.settled();
  const missing = await app.inject({ url });
  expect([missing.statusCode, missing.json<{ degraded: string[] }>().degraded]).toEqual([503, ['other']]);
  other.publish([ecKey('b')]);
  await keyring.settled();
  expect((await ops.inject({ url: '/status' })).json()).toMatchObject({ degraded: [] });
});

test('readiness falls as soon as the service begins to end, and connections are not kept', async () => {
  const { app, lifecycle } = await service({ sources: [new FakeSource('main', [rsaKey('a')])] });
  expect((await app.inject({ url: '/readyz' })).statusCode).toBe(200);
  lifecycle.draining = true;
  const answer = await app.inject({ url: '/readyz' });
  expect(answer.statusCode).toBe(503);
  expect(answer.json<{ reasons: string[] }>().reasons).toEqual(['The service is shutting down.']);
  for (const url of ['/readyz', '/.well-known/jwks.json', '/nothing']) {
    expect((await app.inject({ url })).headers.connection).toBe('close');
  }
  expect((await app.inject({ url: '/.well-known/jwks.json' })).statusCode).toBe(200);
});
