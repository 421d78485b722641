import { afterEach, describe, expect, test } from 'vitest';
import { FakeSource } from '../fakes/source.ts';
import { digest, ecKey, exchange, listen, rsaKey, service, spec, type Service } from './service.ts';

// What stands in front of Fastify is seen on the wire only, and the routes behind it by inject only.

const open: Service[] = [];
afterEach(async () => {
  for (const { app } of open.splice(0)) await app.close();
});

const pem = (kid: string): string => `/certs/${digest(kid)}.pem`;
const jwks = '/.well-known/jwks.json';

const started = async (keys = [rsaKey('a'), ecKey('b')]) => {
  const main = new FakeSource('main', keys);
  const sets = [
    spec('default', { paths: [jwks], pemPaths: ['/', '/certs'] }),
    spec('empty', { sources: ['nothing'], paths: ['/empty.json'], pemPaths: ['/empty'] }),
  ];
  const running = await service({ sources: [main, new FakeSource('nothing', [])], sets });
  open.push(running);
  return { ...running, main, port: await listen(running.app) };
};

interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** Those that a connection adds. */
const ofConnection = new Set(['date', 'connection', 'keep-alive']);
const without = (headers: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !ofConnection.has(name)));

const onTheWire = async (port: number, method: string, url: string, headers: Record<string, string>) => {
  const lines = Object.entries({ host: 'h', connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const answer = await exchange(port, `${method} ${url} HTTP/1.1\r\n${lines.join('')}\r\n`);
  const [head = '', body = ''] = answer.split(/\r\n\r\n(.*)/su);
  const [first = '', ...rest] = head.split('\r\n');
  const pairs = rest.map((line) => [line.split(': ', 1)[0]?.toLowerCase(), line.replace(/^[^:]*: /u, '')]);
  const seen: Seen = {
    status: Number(first.split(' ')[1]),
    headers: without(Object.fromEntries(pairs)),
    body,
  };
  return seen;
};

const byRoute = async (
  { app }: Service,
  method: 'GET' | 'HEAD',
  url: string,
  headers: Record<string, string>,
) => {
  const answer = await app.inject({ method, url, headers });
  const seen: Seen = {
    status: answer.statusCode,
    headers: without(answer.headers),
    body: answer.rawPayload.toString('latin1'),
  };
  return seen;
};

describe('what is answered in front of Fastify', () => {
  test.each<[string, 'GET' | 'HEAD', string, Record<string, string>, number]>([
    ['the JWK Set', 'GET', jwks, {}, 200],
    ['its head', 'HEAD', jwks, {}, 200],
    ['its gzip copy', 'GET', jwks, { 'accept-encoding': 'gzip' }, 200],
    ['its own type', 'GET', jwks, { accept: 'application/jwk-set+json' }, 200],
    ['the set by name', 'GET', '/sets/default/jwks.json', {}, 200],
    ['nothing new', 'GET', jwks, { 'if-none-match': '*' }, 304],
    ['a PEM', 'GET', pem('a'), {}, 200],
    ['a PEM in the root', 'GET', `/${digest('b')}.pem`, {}, 200],
    ['the head of a PEM', 'HEAD', pem('a'), {}, 200],
    ['a set without keys', 'GET', '/empty.json', {}, 503],
    ['a PEM of a set without keys', 'GET', `/empty/${digest('a')}.pem`, {}, 503],
    ['a name that is no digest', 'GET', '/certs/a.pem', {}, 404],
    ['a PEM where there is none', 'GET', `/nowhere/${digest('a')}.pem`, {}, 404],
  ])('%s is the same as by the route', async (_name, method, url, headers, status) => {
    const running = await started();
    const seen = await onTheWire(running.port, method, url, headers);
    expect(seen).toEqual(await byRoute(running, method, url, headers));
    expect(seen.status).toBe(status);
  });

  test('a PEM that stands for two keys is refused, also after it was one', async () => {
    const { port, main, keyring } = await started([rsaKey('a')]);
    expect(await onTheWire(port, 'GET', pem('a'), {})).toMatchObject({ status: 200 });
    main.publish([rsaKey('a'), ecKey('a')]);
    await keyring.settled();
    expect(await onTheWire(port, 'GET', pem('a'), {})).toMatchObject({ status: 409 });
  });

  test('a withdrawn key is gone with the snapshot that had it', async () => {
    const { port, main, keyring } = await started([rsaKey('a'), ecKey('b')]);
    expect(await onTheWire(port, 'GET', pem('b'), {})).toMatchObject({ status: 200 });
    main.publish([rsaKey('a')]);
    await keyring.settled();
    expect(await onTheWire(port, 'GET', pem('b'), {})).toMatchObject({ status: 404 });
  });

  test('each answer is counted once', async () => {
    const { port, ops } = await started();
    await onTheWire(port, 'GET', jwks, {});
    await onTheWire(port, 'GET', pem('a'), {});
    const { body } = await ops.inject('/metrics');
    expect(body).toContain('jwksd_http_requests_total{route="jwks",status="200"} 1\n');
    expect(body).toContain('jwksd_http_requests_total{route="pem",status="200"} 1\n');
  });
});
