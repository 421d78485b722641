import { describe, expect, test } from 'vitest';
import { FakeSource } from '../fakes/source.ts';
import { digest, ecKey, exchange, listen, rsaKey, service, spec } from './service.ts';

const refresh = '/sources/main/refresh';

describe('/metrics', () => {
  test('counts answers by route and status, and nothing else as a label', async () => {
    const { app, ops } = await service({ sources: [new FakeSource('main', [rsaKey('a')])] });
    const path = '/.well-known/jwks.json';
    for (const headers of [{}, {}, { 'if-none-match': '*' }]) await app.inject({ url: path, headers });
    await app.inject({ url: `/certs/${digest('a')}.pem` });
    await app.inject({ url: '/certs/secret-name.pem' });
    await app.inject({ url: '/sets/default/keys/a' });
    await app.inject({ url: '/sets/default/keys/secret-name' });
    await app.inject({ url: '/livez' });
    await app.inject({ url: '/' });
    await app.inject({ method: 'OPTIONS', url: path });
    await app.inject({ url: '/secret-name' });
    await app.inject({ method: 'POST', url: path });
    const { body, headers } = await ops.inject({ url: '/metrics' });
    expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/u);
    const lines = body.split('\n').filter((line) => line.startsWith('jwksd_http_requests_total{'));
    expect(lines).toEqual([
      'jwksd_http_requests_total{route="jwks",status="200"} 2',
      'jwksd_http_requests_total{route="jwks",status="304"} 1',
      'jwksd_http_requests_total{route="pem",status="200"} 1',
      'jwksd_http_requests_total{route="pem",status="404"} 1',
      'jwksd_http_requests_total{route="key",status="200"} 1',
      'jwksd_http_requests_total{route="key",status="404"} 1',
      'jwksd_http_requests_total{route="probe",status="200"} 1',
      'jwksd_http_requests_total{route="landing",status="200"} 1',
      'jwksd_http_requests_total{route="preflight",status="204"} 1',
      'jwksd_http_requests_total{route="other",status="404"} 1',
      'jwksd_http_requests_total{route="other",status="405"} 1',
    ]);
    expect(body).not.toContain('secret-name');
    expect(body).not.toContain('"a"');
  });

  test('tells what the keyring and its sources hold at the moment of the scrape', async () => {
    const main = new FakeSource('main', [rsaKey('a'), ecKey('b')]);
    const status = main.status.bind(main);
    main.status = () => ({
      ...status(),
      rejected: { weak_key: 3 },
      retiring: 1,
      lastSuccess: 1_700_000_000_000,
      age: 12_500,
      consecutiveFailures: 4,
      nextAttemptIn: 60_000,
      attempts: { ok: 7, http_5xx: 2 },
    });
    const { ops, keyring } = await service({ sources: [main], sets: [spec('jitsi', { profile: 'jitsi' })] });
    const scrape = async (): Promise<string[]> => (await ops.inject({ url: '/metrics' })).body.split('\n');
    const lines = await scrape();
    for (const line of [
      'jwksd_build_info{version="1.2.3"} 1',
      'jwksd_ready 1',
      `jwksd_snapshot_generation ${keyring.current.generation}`,
      'jwksd_set_keys{set="jitsi"} 1',
      'jwksd_set_withheld{set="jitsi",reason="not_rsa"} 1',
      'jwksd_upstream_state{source="main",state="FRESH"} 1',
      'jwksd_upstream_state{source="main",state="STALE"} 0',
      'jwksd_upstream_fetch_total{source="main",result="ok"} 7',
      'jwksd_upstream_fetch_total{source="main",result="http_5xx"} 2',
      'jwksd_upstream_age_seconds{source="main"} 12.5',
      'jwksd_upstream_last_success_timestamp_seconds{source="main"} 1700000000',
      'jwksd_upstream_consecutive_failures{source="main"} 4',
      'jwksd_upstream_next_refresh_seconds{source="main"} 60',
      'jwksd_upstream_keys{source="main"} 2',
      'jwksd_upstream_keys_retiring{source="main"} 1',
      'jwksd_upstream_keys_rejected{source="main",reason="weak_key"} 3',
      'jwksd_upstream_demand_refresh_total{result="found"} 0',
    ]) {
      expect(lines).toContain(line);
    }
    expect(lines.some((line) => line.startsWith('nodejs_version_info'))).toBe(true);
    expect(lines.some((line) => line.startsWith('process_cpu_seconds_total'))).toBe(true);
    await keyring.replace({
      sources: [new FakeSource('other', [rsaKey('a')])],
      sets: [spec('x', { sources: ['other'] })],
    });
    const after = await scrape();
    expect(after.some((line) => line.includes('source="main"') || line.includes('set="jitsi"'))).toBe(false);
    expect(after).toContain('jwksd_set_keys{set="x"} 1');
  });
});

describe('/status', () => {
  test('tells of every source and set, withheld keys and refusals included', async () => {
    const main = new FakeSource('main', [rsaKey('a'), ecKey('b')]);
    const status = main.status.bind(main);
    main.status = () => ({
      ...status(),
      age: 1500,
      lastSuccess: 0,
      lastError: { code: 'http_5xx', detail: 'answered 503', at: 1000 },
    });
    const sets = [spec('jitsi', { profile: 'jitsi' }), spec('oc', { profile: 'opencast' })];
    const { ops, keyring } = await service({ sources: [main], sets });
    const answer = await ops.inject({ url: '/status' });
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.json()).toMatchObject({
      version: '1.2.3',
      generation: keyring.current.generation,
      ready: true,
      reasons: [],
      sources: [
        {
          name: 'main',
          state: 'FRESH',
          keys: 2,
          age: 1.5,
          lastSuccess: '1970-01-01T00:00:00.000Z',
          lastError: { code: 'http_5xx', detail: 'answered 503', at: '1970-01-01T00:00:01.000Z' },
          nextAttemptIn: null,
        },
      ],
      sets: [
        {
          name: 'jitsi',
          etag: keyring.current.sets.get('jitsi')?.document?.identity.etag,
          refusal: null,
          keys: [{ thumbprint: rsaKey('a').thumbprint, kid: 'a', alg: 'RS256', source: 'main', pem: true }],
          withheld: [{ kid: 'b', source: 'main', reason: 'not_rsa', thumbprint: ecKey('b').thumbprint }],
        },
        { name: 'oc', etag: null, keys: [], refusal: keyring.current.sets.get('oc')?.refusal },
      ],
    });
    expect(keyring.current.sets.get('oc')?.refusal).toBeTypeOf('string');
  });
});

describe('POST /sources/{source}/refresh', () => {
  test('begins a refresh and does not wait for it, whatever the body', async () => {
    const main = new FakeSource('main', [rsaKey('a')]);
    // A refresh that never ends.
    main.onRefresh = async () => await new Promise<never>(() => undefined);
    const { ops } = await service({ sources: [main] });
    for (const body of [
      {},
      { headers: { 'content-type': 'application/json' }, payload: '' },
      { headers: { 'content-type': 'application/json' }, payload: '{' },
      { headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'a=b' },
    ]) {
      const answer = await ops.inject({ method: 'POST', url: refresh, ...body });
      expect([answer.statusCode, answer.json()]).toEqual([202, { source: 'main', status: 'started' }]);
    }
    expect(main.refreshes).toEqual(['admin']);
  });

  test('is 404 for a source that is not there, 405 for other methods, 413 for a huge body', async () => {
    const main = new FakeSource('main', [rsaKey('a')]);
    const { ops } = await service({ sources: [main] });
    const unknown = await ops.inject({ method: 'POST', url: '/sources/none/refresh' });
    expect(unknown.json()).toMatchObject({ status: 404, code: 'unknown_source' });
    const get = await ops.inject({ url: refresh });
    expect([get.statusCode, get.headers.allow]).toEqual([405, 'POST']);
    const big = await ops.inject({ method: 'POST', url: refresh, payload: 'x'.repeat(17_000) });
    expect(big.json()).toMatchObject({ status: 413, code: 'payload_too_large' });
    const odd = await ops.inject({
      method: 'POST',
      url: refresh,
      headers: { 'content-type': 'nonsense' },
      payload: 'x',
    });
    expect(odd.json()).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    expect(main.refreshes).toEqual([]);
  });

  test('needs the token where there is one', async () => {
    const main = new FakeSource('main', [rsaKey('a')]);
    const { ops } = await service({ sources: [main], ops: { token: 's3cret', host: '0.0.0.0' } });
    const ask = (authorization?: string) =>
      ops.inject({
        method: 'POST',
        url: refresh,
        headers: authorization === undefined ? {} : { authorization },
      });
    const none = await ask();
    expect([none.statusCode, none.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    for (const wrong of ['Bearer s3cre', 'Bearer s3crett', 'Bearer S3CRET']) {
      const answer = await ask(wrong);
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
    }
    expect((await ask('Basic czNjcmV0')).headers['www-authenticate']).toBe('Bearer');
    expect(main.refreshes).toEqual([]);
    expect((await ask('Bearer s3cret')).statusCode).toBe(202);
    expect((await ask('bearer s3cret')).statusCode).toBe(202);
  });

  test('without a token is refused off loopback, and on loopback to web pages', async () => {
    const main = new FakeSource('main', [rsaKey('a')]);
    const open = await service({ sources: [main], ops: { host: '0.0.0.0' } });
    expect((await open.ops.inject({ method: 'POST', url: refresh })).json()).toMatchObject({
      code: 'forbidden',
    });
    const local = await service({ sources: [main], ops: { host: '::1' } });
    const headers = { origin: 'http://127.0.0.1:9464' };
    expect((await local.ops.inject({ method: 'POST', url: refresh, headers })).statusCode).toBe(403);
    expect(main.refreshes).toEqual([]);
    expect((await local.ops.inject({ method: 'POST', url: refresh })).statusCode).toBe(202);
    // Reading needs no token anywhere.
    expect((await open.ops.inject({ url: '/status' })).statusCode).toBe(200);
  });
});

describe('a page whose name was made to mean loopback (DNS rebinding)', () => {
  const urls = ['/status', '/metrics', '/denied', '/nothing'];
  const foreign = ['evil.example', 'evil.example:9464', 'localhost.evil.example', '10.0.0.1', '[::2]:9464'];
  const own = ['localhost', 'LOCALHOST:9464', 'jwksd.localhost', '127.0.0.1:9464', '127.9.9.9', '[::1]:9464'];

  test('reads and writes nothing, while probes answer', async () => {
    const main = new FakeSource('main', [rsaKey('a')]);
    const { ops } = await service({ sources: [main] });
    for (const host of foreign) {
      const headers = { host };
      for (const url of urls) {
        const answer = await ops.inject({ url, headers });
        expect(answer.json(), `${host} ${url}`).toMatchObject({ status: 403, code: 'forbidden' });
      }
      expect((await ops.inject({ method: 'POST', url: refresh, headers })).statusCode).toBe(403);
      for (const url of ['/livez', '/readyz', '/healthz']) {
        expect((await ops.inject({ url, headers })).statusCode).toBe(200);
      }
    }
    expect(main.refreshes).toEqual([]);
    for (const host of own) {
      expect((await ops.inject({ url: '/status', headers: { host } })).statusCode, host).toBe(200);
    }
    const old = await exchange(await listen(ops), 'GET /status HTTP/1.0\r\n\r\n');
    expect(old).toMatch(/^HTTP\/1\.1 200 OK/u);
    await ops.close();
  });

  test('is a matter of loopback without a token only', async () => {
    for (const more of [{ host: '0.0.0.0' }, { token: 's3cret' }]) {
      const { ops } = await service({ sources: [new FakeSource('main', [rsaKey('a')])], ops: more });
      expect((await ops.inject({ url: '/status', headers: { host: 'ops.example' } })).statusCode).toBe(200);
    }
  });
});

test('the ops listener answers problems, without CORS and without documents', async () => {
  const { ops } = await service({ sources: [new FakeSource('main', [rsaKey('a')])] });
  for (const url of ['/', '/.well-known/jwks.json', '/nothing', '/sources/main']) {
    const answer = await ops.inject({ url });
    expect(answer.json()).toMatchObject({ status: 404, code: 'not_found' });
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  }
  expect((await ops.inject({ url: '/%zz' })).json()).toMatchObject({ status: 400 });
  const post = await ops.inject({ method: 'POST', url: '/status' });
  expect([post.statusCode, post.headers.allow]).toEqual([405, 'GET, HEAD']);
});
