import http from 'node:http';
import * as fc from 'fast-check';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../fakes/clock.ts';
import { FakeSource } from '../fakes/source.ts';
import { digest, ecKey, exchange, listen, RawClient, rsaKey, service } from './service.ts';

const kid = '1DKOk8q4Dc9BSgDLmksFemg5lEGuoYQvYrHVOnXNj3k';
const file = 'e15452c2c03fc8afdb1d558953ab30ffd235a622fad1175de7f791a3c86eb08d.pem';
const path = '/.well-known/jwks.json';

let app: FastifyInstance;
let port: number;

beforeAll(async () => {
  ({ app } = await service({ sources: [new FakeSource('main', [rsaKey(kid), ecKey('../../etc')])] }));
  port = await listen(app);
});
afterAll(async () => await app.close());

const request = (lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`;
const closing = (line: string, ...more: string[]): string =>
  request([line, 'Host: h', ...more, 'Connection: close']);
const statusOf = (response: string): string => response.split('\r\n', 1)[0] ?? '';
const bodyOf = (response: string): string => response.slice(response.indexOf('\r\n\r\n') + 4);
const problemOf = (response: string): { code?: string } => {
  expect(response.toLowerCase()).toContain('content-type: application/problem+json');
  expect(response.toLowerCase()).toContain('x-content-type-options: nosniff');
  return JSON.parse(bodyOf(response)) as { code?: string };
};

describe('bytes on the wire', () => {
  test('Prosody gets the PEM for exactly the request it sends', async () => {
    const response = await exchange(
      port,
      request([
        `GET //${file} HTTP/1.1`,
        `Host: 127.0.0.1:${port}`,
        'User-Agent: Prosody XMPP Server',
        'Connection: close',
      ]),
    );
    expect(statusOf(response)).toBe('HTTP/1.1 200 OK');
    expect(bodyOf(response)).toBe(rsaKey(kid).pem);
    expect(response).toContain(`content-length: ${bodyOf(response).length}\r\n`);
    expect(response).not.toMatch(/^(?:server|transfer-encoding|content-encoding|location):/imu);
  });

  test('HEAD and 304 carry no body, so that the connection stays usable', async () => {
    const client = await RawClient.open(port);
    const etag = '*';
    client.send(request([`HEAD ${path} HTTP/1.1`, 'Host: h']));
    client.send(request([`GET ${path} HTTP/1.1`, 'Host: h', `If-None-Match: ${etag}`]));
    client.send(request(['HEAD /livez HTTP/1.1', 'Host: h']));
    client.send(request(['HEAD /nothing HTTP/1.1', 'Host: h']));
    client.send(closing('GET /livez HTTP/1.1'));
    await client.closed;
    const lines = client.received.split('\r\n').filter((line) => line.includes('HTTP/1.1 '));
    expect(lines).toEqual([
      'HTTP/1.1 200 OK',
      'HTTP/1.1 304 Not Modified',
      'HTTP/1.1 200 OK',
      'HTTP/1.1 404 Not Found',
      'HTTP/1.1 200 OK',
    ]);
    expect(client.received).not.toContain('{"keys"');
    expect(client.received.endsWith('{"status":"live"}')).toBe(true);
  });

  test('the absolute form of a target is understood (RFC 9112 §3.2.2), as is HTTP/1.0', async () => {
    const absolute = await exchange(port, closing(`GET http://keys.example:8080${path} HTTP/1.1`));
    expect(statusOf(absolute)).toBe('HTTP/1.1 200 OK');
    const old = await exchange(port, `GET ${path} HTTP/1.0\r\n\r\n`);
    expect(statusOf(old)).toBe('HTTP/1.1 200 OK');
    expect(bodyOf(old)).toMatch(/^\{"keys":\[.*\]\}$/u);
    const asterisk = await exchange(port, closing('OPTIONS * HTTP/1.1'));
    expect(statusOf(asterisk)).toBe('HTTP/1.1 204 No Content');
  });

  test('dots in a path are names and lead nowhere', async () => {
    for (const target of [
      '/../.well-known/jwks.json',
      '/certs/../../etc/passwd',
      `/certs/%2e%2e/${file}`,
      '/./.well-known/jwks.json',
    ]) {
      expect(statusOf(await exchange(port, closing(`GET ${target} HTTP/1.1`))), target).toBe(
        'HTTP/1.1 404 Not Found',
      );
    }
    for (const spelling of ['../../etc', '%2e%2e/%2E%2E%2fetc']) {
      const response = await exchange(port, closing(`GET /sets/default/keys/${spelling} HTTP/1.1`));
      expect(bodyOf(response)).toBe(ecKey('../../etc').json);
    }
  });

  test('an expectation nobody knows is ignored', async () => {
    const response = await exchange(port, closing(`GET ${path} HTTP/1.1`, 'Expect: the-unexpected'));
    expect(statusOf(response)).toBe('HTTP/1.1 200 OK');
  });

  test('no path gives a redirect or a 5xx', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const segment = fc.oneof(
      fc.constantFrom('.', '..', '%2e%2e', '%00', '%', '%zz', '%ff', 'sets', 'default', 'keys', 'certs', ''),
      fc.string({ unit: fc.constantFrom(...Array.from('a%+?#;=&\\.~"<|{^`*:@')), maxLength: 12 }),
      fc.constantFrom(file, `${digest('x')}.pem`),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(segment, { maxLength: 8 }), async (segments) => {
        const status = await new Promise<number | undefined>((resolve, reject) => {
          http
            .get({ port, agent, path: `/${segments.join('/')}` }, (response) => {
              response.resume().on('end', () => resolve(response.statusCode));
            })
            .on('error', reject);
        });
        expect([200, 400, 404]).toContain(status);
      }),
      { numRuns: 300 },
    );
    agent.destroy();
  });
});

const filler = (bytes: number): string => `X-Filler: ${'a'.repeat(bytes)}`;

describe('what the parser refuses is a problem like any other', () => {
  test('a header of 20 KB is fine', async () => {
    const response = await exchange(port, closing(`GET ${path} HTTP/1.1`, filler(20_000)));
    expect(statusOf(response)).toBe('HTTP/1.1 200 OK');
  });

  test('more than 32 KiB of header is 431', async () => {
    const response = await exchange(port, closing(`GET ${path} HTTP/1.1`, filler(40_000)));
    expect(statusOf(response)).toBe('HTTP/1.1 431 Request Header Fields Too Large');
    expect(problemOf(response)).toMatchObject({ status: 431, code: 'headers_too_large' });
  });

  test.each([33_000, 40_000, 66_000, 300_000])(
    'a request line of %i characters is 414, and the answer survives what the client still sends',
    async (length) => {
      const response = await exchange(port, closing(`GET /${'a'.repeat(length)} HTTP/1.1`));
      expect(statusOf(response)).toBe('HTTP/1.1 414 URI Too Long');
      expect(problemOf(response)).toMatchObject({ status: 414, code: 'uri_too_long' });
    },
  );

  test('HTTP/1.1 without Host is 400, counted, after the answers before it (RFC 9112 §3.2)', async () => {
    const { app: fresh, ops } = await service({ sources: [new FakeSource('main', [rsaKey('a')])] });
    const freshPort = await listen(fresh);
    const get = request([`GET ${path} HTTP/1.1`]);
    const response = await exchange(freshPort, get);
    expect(statusOf(response)).toBe('HTTP/1.1 400 Bad Request');
    expect(problemOf(response)).toMatchObject({ status: 400, code: 'bad_request' });
    const expecting = await exchange(freshPort, request([`GET ${path} HTTP/1.1`, 'Expect: the-unexpected']));
    expect(statusOf(expecting)).toBe('HTTP/1.1 400 Bad Request');
    const later = await exchange(freshPort, request(['HEAD /livez HTTP/1.1', 'Host: h']) + get);
    expect(statusOf(later)).toBe('HTTP/1.1 200 OK');
    expect(later).toContain('HTTP/1.1 400 Bad Request\r\n');
    const { body } = await ops.inject({ url: '/metrics' });
    expect(body).toContain('jwksd_http_requests_total{route="other",status="400"} 3\n');
    await fresh.close();
  });

  test('CONNECT is 400 on both listeners, and the connection ends', async () => {
    const { app: fresh, ops } = await service({ sources: [new FakeSource('main', [rsaKey('a')])] });
    for (const listener of [fresh, ops]) {
      const response = await exchange(
        await listen(listener),
        request(['CONNECT example.org:443 HTTP/1.1', 'Host: example.org:443']),
      );
      expect(statusOf(response)).toBe('HTTP/1.1 400 Bad Request');
      expect(problemOf(response)).toMatchObject({ status: 400, code: 'bad_request' });
    }
    await fresh.close();
    await ops.close();
  });

  test.each([
    'nonsense\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET / HTTP/1.1\r\nBad Header\r\n\r\n',
    '\u0016\u0003\u0001\u0002\r\n\r\n',
  ])('%j is 400', async (text) => {
    const response = await exchange(port, text);
    expect(statusOf(response)).toBe('HTTP/1.1 400 Bad Request');
    expect(problemOf(response)).toMatchObject({ status: 400, code: 'bad_request' });
  });
});

describe('slow clients', () => {
  const requestTimeout = 400;
  const quick = async () => {
    const key = rsaKey('a');
    const main = new FakeSource('main', [key]);
    return await service({ sources: [main], app: { requestTimeout } });
  };

  test.each([
    ['says nothing', ''],
    ['stops inside the header', `GET ${path} HTTP/1.1\r\nHost: h\r\nX-Slow: `],
    ['stops inside the request line', 'GET /.well-kno'],
  ])('one that %s is answered 408 and cut off', async (_what, text) => {
    const slow = await quick();
    const begun = performance.now();
    const response = await exchange(await listen(slow.app), text);
    expect(performance.now() - begun).toBeLessThan(requestTimeout * 5);
    expect(problemOf(response)).toMatchObject({ status: 408, code: 'request_timeout' });
    await slow.app.close();
  });

  test('one that sends a byte now and then gets no more time', async () => {
    const slow = await quick();
    const client = await RawClient.open(await listen(slow.app));
    const drip = setInterval(() => client.send('a'), 50);
    client.send(`GET ${path} HTTP/1.1\r\nHost: h\r\nX-Slow: `);
    await client.closed;
    clearInterval(drip);
    expect(statusOf(client.received)).toBe('HTTP/1.1 408 Request Timeout');
    await slow.app.close();
  });

  test('one that announces a body and never sends it is let go', async () => {
    const slow = await quick();
    const client = await RawClient.open(await listen(slow.app));
    client.send(request([`POST ${path} HTTP/1.1`, 'Host: h', 'Content-Length: 1000']));
    await client.closed;
    expect(statusOf(client.received)).toBe('HTTP/1.1 405 Method Not Allowed');
    await slow.app.close();
  });

  test('one that does not read its answer is let go', async () => {
    const kids = Array.from({ length: 1500 }, (_none, index) => rsaKey(`${index}${'k'.repeat(900)}`));
    const slow = await service({ sources: [new FakeSource('main', kids)], app: { requestTimeout } });
    const client = await RawClient.open(await listen(slow.app));
    client.socket.pause();
    // Far more than the buffers of both kernels hold. In one packet: unread requests would reset the connection anyhow.
    client.send(request([`GET ${path} HTTP/1.1`, 'Host: h']).repeat(20));
    const connections = async (): Promise<number> =>
      await new Promise((resolve) => {
        slow.app.server.getConnections((_error, count) => resolve(count));
      });
    let open = 1;
    const poll = setInterval(() => void connections().then((count) => (open = count)), 50);
    await until(() => open === 0, requestTimeout * 10);
    clearInterval(poll);
    // What the kernel still had to send, megabytes, is dropped too: the client gets only what had reached it.
    client.socket.resume();
    await client.closed;
    expect(client.received.length).toBeLessThan(1_000_000);
    await slow.app.close();
  });

  test('one that closes its half of the connection still gets its answer', async () => {
    const client = await RawClient.open(port, { allowHalfOpen: true });
    client.socket.end(closing(`GET ${path} HTTP/1.1`));
    await until(() => client.received.endsWith(']}'));
    client.socket.destroy();
  });
});

describe('close', () => {
  test('fails no request of clients that keep their connections busy', async () => {
    const busy = await service({ sources: [new FakeSource('main', [rsaKey('a')])] });
    const busyPort = await listen(busy.app);
    const results: (number | string | undefined)[] = [];
    const client = async (agent: http.Agent): Promise<void> => {
      for (;;) {
        const result = await new Promise<number | string | undefined>((resolve) => {
          http
            .get({ port: busyPort, path, agent }, (response) => {
              response.resume().on('end', () => resolve(response.statusCode));
              response.on('error', (error) => resolve(error.message));
            })
            .on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
        });
        results.push(result);
        if (result === 'ECONNREFUSED') return;
      }
    };
    const clients = Array.from({ length: 12 }, async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      await client(agent);
      agent.destroy();
    });
    await until(() => results.length > 200);
    await busy.app.close();
    await Promise.all(clients);
    expect(new Set(results.filter((result) => result !== 'ECONNREFUSED'))).toEqual(new Set([200]));
  });

  test('finishes the request under way and tells its connection to close', async () => {
    const main = new FakeSource('main', [rsaKey('a')]);
    let release: (() => void) | undefined;
    main.onRefresh = async () => {
      await new Promise<void>((resolve) => (release = resolve));
      main.publish([rsaKey('a'), rsaKey('fresh')]);
    };
    const slow = await service({ sources: [main] });
    const client = await RawClient.open(await listen(slow.app));
    client.send(request([`GET /certs/${digest('fresh')}.pem HTTP/1.1`, 'Host: h']));
    await until(() => release !== undefined);
    const closed = slow.app.close();
    await until(() => !slow.app.server.listening);
    release?.();
    await Promise.all([closed, client.closed]);
    expect(statusOf(client.received)).toBe('HTTP/1.1 200 OK');
    expect(client.received.toLowerCase()).toContain('connection: close');
  });

  test('does not wait for connections that never said anything, nor for idle ones', async () => {
    const quiet = await service({ sources: [new FakeSource('main', [rsaKey('a')])] });
    const quietPort = await listen(quiet.app);
    const silent = await RawClient.open(quietPort);
    const idle = await RawClient.open(quietPort);
    idle.send(request([`GET ${path} HTTP/1.1`, 'Host: h']));
    await until(() => idle.received.endsWith(']}'));
    const begun = performance.now();
    await Promise.all([quiet.app.close(), silent.closed, idle.closed]);
    expect(performance.now() - begun).toBeLessThan(3000);
  });
});
