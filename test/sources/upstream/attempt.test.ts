import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../fakes/clock.ts';
import { FakeProxy } from '../../fakes/proxy.ts';
import { FakeAuthority } from '../../fakes/tls.ts';
import {
  bomb,
  byPath,
  cutOff,
  drip,
  encoded,
  FakeUpstream,
  hang,
  ok,
  raw,
  redirect,
  reset,
  sequence,
  status,
  type Handler,
} from '../../fakes/upstream.ts';
import { attempt, codeOf, requester } from './requester.ts';

const body = { keys: [{ kty: 'EC' }] };
let upstream: FakeUpstream;
let directory: string;

beforeEach(async () => {
  upstream = await FakeUpstream.start();
  directory = await mkdtemp(path.join(os.tmpdir(), 'jwksd-attempt-'));
});

afterEach(async () => {
  await upstream.close();
  await rm(directory, { recursive: true });
});

const outcome = async (handler: Handler, options: Parameters<typeof attempt>[1] = {}): Promise<string> => {
  upstream.handler = handler;
  return codeOf(await attempt(upstream.url(), options));
};

/** A port that refused a moment ago. */
const deadPort = async (): Promise<number> => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => void server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return port;
};

const endless: Handler = (_request, response) => {
  response.writeHead(200);
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(16_384, 0x20)));
  };
  response.on('drain', more);
  more();
};

const timed = async (run: () => Promise<string>): Promise<[string, number]> => {
  const start = performance.now();
  return [await run(), performance.now() - start];
};

describe('a good answer', () => {
  test('comes with its body and headers, and asks for identity', async () => {
    upstream.handler = ok(body, { etag: '"1"' });
    const answer = await attempt(upstream.url());
    expect(answer).toMatchObject({ ok: true, status: 200, headers: { etag: '"1"' } });
    expect(answer.ok && answer.body.toString()).toBe(JSON.stringify(body));
    expect(upstream.requests[0]?.headers).toMatchObject({
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'jwksd/test',
    });
    expect(upstream.requests[0]?.headers).not.toHaveProperty('cache-control');
    expect(upstream.requests[0]?.headers).not.toHaveProperty('if-none-match');
  });

  test('opens a new connection per attempt and leaves none behind', async () => {
    upstream.handler = ok(body);
    const sender = requester();
    for (let n = 0; n < 3; n += 1) {
      await sender.send(upstream.url(), { accept: '*/*', maxBody: 1000 }, new AbortController().signal);
    }
    expect(upstream.accepted).toBe(3);
    await until(() => upstream.connections === 0);
  });

  test('sends validators and no-cache when asked to, and takes a 304 only then', async () => {
    upstream.handler = status(304);
    const conditional = {
      accept: '*/*',
      maxBody: 1000,
      etag: '"a"',
      lastModified: 'yesterday',
      noCache: true,
    };
    const result = await requester().send(upstream.url(), conditional, new AbortController().signal);
    expect(result).toMatchObject({ ok: true, status: 304 });
    expect(upstream.requests[0]?.headers).toMatchObject({
      'if-none-match': '"a"',
      'if-modified-since': 'yesterday',
      'cache-control': 'no-cache',
    });
    expect(await attempt(upstream.url())).toMatchObject({ code: 'http_other', retry: 'once' });
  });

  test.each(['gzip', 'br', 'deflate'] as const)(
    'is decoded when it is encoded as %s unasked',
    async (coding) => {
      upstream.handler = encoded(coding, body);
      const answer = await attempt(upstream.url());
      expect(answer.ok && answer.body.toString()).toBe(JSON.stringify(body));
    },
  );
});

describe('each class of failure has its code', () => {
  test.each([
    [500, 'http_5xx', 'cycle'],
    [503, 'http_5xx', 'cycle'],
    [408, 'http_5xx', 'cycle'],
    [425, 'http_5xx', 'cycle'],
    [429, 'http_429', 'later'],
    [401, 'http_401', 'later'],
    [403, 'http_403', 'later'],
    [404, 'http_404', 'later'],
    [410, 'http_410', 'later'],
    [418, 'http_other', 'later'],
    [204, 'http_other', 'later'],
    [206, 'http_other', 'later'],
  ])('status %i is %s', async (code, name, retry) => {
    upstream.handler = status(code);
    expect(await attempt(upstream.url())).toMatchObject({ code: name, retry });
  });

  test('Retry-After of a 503 or 429 is handed on, and then the cycle does not try again', async () => {
    upstream.handler = status(503, { 'retry-after': '7' });
    expect(await attempt(upstream.url())).toMatchObject({
      code: 'http_5xx',
      retry: 'later',
      retryAfter: 7000,
    });
    upstream.handler = status(429, { 'retry-after': '86400' });
    expect(await attempt(upstream.url())).toMatchObject({ code: 'http_429', retryAfter: 900_000 });
    upstream.handler = status(502, { 'retry-after': '7' });
    expect(await attempt(upstream.url())).not.toHaveProperty('retryAfter');
  });

  test.each<[string, Handler, string]>([
    ['a connection ended before the answer', reset(), 'reset'],
    ['a body cut off in the middle', cutOff(body), 'reset'],
    [
      'a chunked body that ends early',
      raw('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"key'),
      'reset',
    ],
    ['an answer that is not HTTP', raw('220 mail.example.org ESMTP\r\n'), 'http_other'],
    [
      'a second content-length',
      raw('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}'),
      'reset',
    ],
    [
      'a chunk size that is no number',
      raw('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'),
      'reset',
    ],
    ['a content-length that is no number', raw('HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n{}'), 'reset'],
    ['40 KB of headers', raw(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`), 'too_large'],
    ['an unknown coding', ok(body, { 'content-encoding': 'zstd' }), 'decompress'],
    ['a double coding', ok(body, { 'content-encoding': 'gzip, gzip' }), 'decompress'],
    ['a coding the body does not have', ok(body, { 'content-encoding': 'gzip' }), 'decompress'],
  ])('%s', async (_name, handler, code) => {
    expect(await outcome(handler)).toBe(code);
  });

  // A label of 64 characters is refused by the resolver itself: nothing is asked of the network.
  test('a port that refuses is connect, a name that cannot exist is dns', async () => {
    expect(codeOf(await attempt(new URL(`http://127.0.0.1:${await deadPort()}/`)))).toBe('connect');
    expect(
      codeOf(await attempt(new URL(`http://${'a'.repeat(64)}.invalid/`), { allowInsecureHttp: true })),
    ).toBe('dns');
  });

  test('no message holds the query string, user info or the body', async () => {
    upstream.handler = status(500, {}, 'secret-body');
    const url = upstream.url('/jwks?secret-query=1');
    const failed = await attempt(url);
    expect(JSON.stringify(failed)).not.toMatch(/secret/);
  });
});

describe('size is limited', () => {
  test('by what the upstream announces, before the body is read', async () => {
    expect(await outcome(raw('HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n{'))).toBe('too_large');
  });

  test('by what it sends, announced or not', async () => {
    expect(await outcome(endless)).toBe('too_large');
    await until(() => upstream.connections === 0);
  });

  test('at exactly maxBody, wire and decoded', async () => {
    const exact = Buffer.alloc(4096, 0x20);
    expect(await outcome(ok(exact), { maxBody: 4096 })).toBe('ok');
    expect(await outcome(ok(exact), { maxBody: 4095 })).toBe('too_large');
    expect(await outcome(encoded('gzip', exact), { maxBody: 4096 })).toBe('ok');
    expect(await outcome(encoded('gzip', exact), { maxBody: 4095 })).toBe('too_large');
  });

  test.each(['gzip', 'br', 'deflate'] as const)('a %s bomb is too_large', async (coding) => {
    expect(await outcome(bomb(coding, 20 * 1024 * 1024))).toBe('too_large');
  });
});

describe('one deadline covers everything', () => {
  const limit = { totalTimeout: 300 };

  test.each<[string, Handler]>([
    ['an upstream that never answers', hang()],
    ['one byte at a time', drip(body, 30)],
    ['an endless chain of slow redirects', sequence(redirect('/a'), redirect('/b'), hang())],
  ])('%s', async (_name, handler) => {
    const [code, ms] = await timed(async () => await outcome(handler, limit));
    expect(code).toBe('timeout');
    expect(ms).toBeLessThan(1500);
    await until(() => upstream.connections === 0);
  });

  test('a TLS handshake that never comes, although the connection is there', async () => {
    const silent = net.createServer((socket) => void socket.resume()).listen(0, '127.0.0.1');
    await new Promise((resolve) => void silent.once('listening', resolve));
    let open = 0;
    silent.on('connection', (socket) => {
      open += 1;
      socket.on('close', () => (open -= 1));
    });
    const url = new URL(`https://127.0.0.1:${(silent.address() as AddressInfo).port}/`);
    const [code, ms] = await timed(async () =>
      codeOf(await attempt(url, { ...limit, connectTimeout: 60_000 })),
    );
    expect(code).toBe('timeout');
    expect(ms).toBeLessThan(1500);
    // The socket does not wait for its own, longer, timeout.
    await until(() => open === 0, 1000);
    await new Promise((resolve) => void silent.close(resolve));
  });

  test('closing the source ends an attempt at once', async () => {
    upstream.handler = hang();
    const closing = new AbortController();
    const running = attempt(upstream.url(), {}, closing.signal);
    await until(() => upstream.requests.length === 1);
    const [, ms] = await timed(async () => {
      closing.abort();
      return codeOf(await running);
    });
    expect(ms).toBeLessThan(200);
    expect(codeOf(await attempt(upstream.url(), {}, closing.signal))).not.toBe('ok');
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('redirects', () => {
  test('are followed within the origin, three of them', async () => {
    const chain = byPath({
      '/jwks.json': redirect('/1', 301),
      '/1': redirect('2', 307),
      '/2': redirect('/3', 308),
      '/3': ok(body),
    });
    expect(await outcome(chain)).toBe('ok');
    expect(upstream.requests.map(({ url }) => url)).toEqual(['/jwks.json', '/1', '/2', '/3']);
  });

  test('a fourth, and a loop, are redirect_blocked', async () => {
    expect(await outcome(redirect('/jwks.json'))).toBe('redirect_blocked');
    expect(upstream.requests).toHaveLength(4);
  });

  test.each(['', 'http://[', 'file:///etc/passwd', 'gopher://127.0.0.1/', 'javascript:alert(1)'])(
    'a Location %j is redirect_blocked',
    async (location) => {
      expect(await outcome(redirect(location))).toBe('redirect_blocked');
    },
  );

  test('another host is refused, unless it is allowed by name, and never gets our headers', async () => {
    const other = await FakeUpstream.start({ handler: ok(body) });
    try {
      const target = `http://localhost:${other.port}/keys`;
      const headers = { 'x-api-key': 'secret' };
      const ownOrigins = [upstream.url().origin];
      expect(await outcome(redirect(target), { headers, ownOrigins })).toBe('redirect_blocked');
      expect(other.requests).toHaveLength(0);
      expect(
        await outcome(redirect(target), {
          headers,
          ownOrigins,
          allowRedirectHosts: [`localhost:${other.port}`],
        }),
      ).toBe('ok');
      expect(upstream.requests[0]?.headers).toHaveProperty('x-api-key', 'secret');
      expect(other.requests[0]?.headers).not.toHaveProperty('x-api-key');
    } finally {
      await other.close();
    }
  });

  test('https never becomes http', async () => {
    const authority = new FakeAuthority();
    const caFile = path.join(directory, 'ca.pem');
    await writeFile(caFile, authority.cert);
    const secure = await FakeUpstream.start({
      tls: authority.issue(),
      handler: redirect(upstream.url().href),
    });
    try {
      const allowRedirectHosts = [upstream.url().host];
      const result = await attempt(secure.url(), { caFile, allowRedirectHosts, allowInsecureHttp: true });
      expect(codeOf(result)).toBe('redirect_blocked');
      expect(upstream.requests).toHaveLength(0);
    } finally {
      await secure.close();
    }
  });

  test('a redirect to a metadata address is refused even where its host is allowed', async () => {
    const allowed = { allowRedirectHosts: ['169.254.169.254'], allowInsecureHttp: true };
    expect(await outcome(redirect('http://169.254.169.254/latest/'), allowed)).toBe('address_blocked');
  });
});

describe('what an attempt reads from disk is read for every attempt', () => {
  test('bearerTokenFile: missing, then there, then another', async () => {
    upstream.handler = ok(body);
    const bearerTokenFile = path.join(directory, 'token');
    const sender = requester({ bearerTokenFile, ownOrigins: [upstream.url().origin] });
    const send = async (): Promise<string> =>
      codeOf(
        await sender.send(upstream.url(), { accept: '*/*', maxBody: 1000 }, new AbortController().signal),
      );
    expect(await send()).toBe('token_file');
    expect(upstream.requests).toHaveLength(0);
    await writeFile(bearerTokenFile, 'first\n');
    expect(await send()).toBe('ok');
    await writeFile(bearerTokenFile, 'second');
    expect(await send()).toBe('ok');
    expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer first',
      'Bearer second',
    ]);
    await writeFile(bearerTokenFile, 'two words');
    expect(await send()).toBe('token_file');
  });

  test('caFile: an unknown authority is tls_cert; mended on disk, the next attempt succeeds', async () => {
    const [ours, theirs] = [new FakeAuthority(), new FakeAuthority('somebody else')];
    const caFile = path.join(directory, 'ca.pem');
    const secure = await FakeUpstream.start({ tls: ours.issue(), handler: ok(body) });
    try {
      const sender = requester({ caFile });
      const send = async (): Promise<string> =>
        codeOf(
          await sender.send(secure.url(), { accept: '*/*', maxBody: 1000 }, new AbortController().signal),
        );
      expect(await send()).toBe('ca_file');
      await writeFile(caFile, 'not a certificate');
      expect(await send()).toBe('ca_file');
      await writeFile(caFile, theirs.cert);
      expect(await send()).toBe('tls_cert');
      await writeFile(caFile, theirs.cert + ours.cert);
      expect(await send()).toBe('ok');
      secure.setCertificate(ours.issue(['200101000000Z', '210101000000Z']));
      expect(await send()).toBe('tls_cert');
      expect(codeOf(await attempt(secure.url()))).toBe('tls_cert');
    } finally {
      await secure.close();
    }
  });

  test('configured headers and the token go to no origin that the configuration does not name', async () => {
    upstream.handler = ok(body);
    const bearerTokenFile = path.join(directory, 'token');
    await writeFile(bearerTokenFile, 'secret');
    const ownOrigins = ['https://login.example.org'];
    await attempt(upstream.url(), { bearerTokenFile, headers: { 'x-api-key': 'k' }, ownOrigins });
    expect(upstream.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(upstream.requests[0]?.headers).not.toHaveProperty('x-api-key');
  });

  test('configured headers are sent, in lower case, and may name the client', async () => {
    upstream.handler = ok(body);
    await attempt(upstream.url(), {
      headers: { 'X-Api-Key': 'k', 'User-Agent': 'ours' },
      ownOrigins: [upstream.url().origin],
    });
    expect(upstream.requests[0]?.headers).toMatchObject({ 'x-api-key': 'k', 'user-agent': 'ours' });
  });
});

describe('a proxy', () => {
  test('tunnels http and https, with the caFile used for the upstream', async () => {
    const proxy = await FakeProxy.start();
    const authority = new FakeAuthority();
    const caFile = path.join(directory, 'ca.pem');
    await writeFile(caFile, authority.cert);
    const secure = await FakeUpstream.start({ tls: authority.issue(), handler: ok(body) });
    try {
      upstream.handler = ok(body);
      expect(codeOf(await attempt(upstream.url(), { proxy: proxy.origin }))).toBe('ok');
      expect(codeOf(await attempt(secure.url(), { proxy: proxy.origin, caFile }))).toBe('ok');
      expect(codeOf(await attempt(secure.url(), { proxy: proxy.origin }))).toBe('tls_cert');
      expect(proxy.tunnels).toEqual([upstream.url().host, secure.url().host, secure.url().host]);
      await until(() => secure.connections === 0 && upstream.connections === 0);
    } finally {
      await secure.close();
      await proxy.close();
    }
  });

  test('that points at nothing, refuses, or is no URL, is connect', async () => {
    const proxy = await FakeProxy.start();
    proxy.refuse = 407;
    try {
      upstream.handler = ok(body);
      const code = async (url: string): Promise<string> =>
        codeOf(await attempt(upstream.url(), { proxy: url }));
      expect(await code(`http://127.0.0.1:${await deadPort()}`)).toBe('connect');
      expect(await code(proxy.origin)).toBe('connect');
      expect(await code('not a url')).toBe('connect');
      expect(upstream.requests).toHaveLength(0);
    } finally {
      await proxy.close();
    }
  });

  test('that hangs is bounded by the deadline', async () => {
    upstream.handler = hang();
    const silent = net.createServer((socket) => void socket.resume()).listen(0, '127.0.0.1');
    await new Promise((resolve) => void silent.once('listening', resolve));
    const proxy = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const start = performance.now();
    expect(codeOf(await attempt(upstream.url(), { proxy, totalTimeout: 300, connectTimeout: 60_000 }))).toBe(
      'timeout',
    );
    expect(performance.now() - start).toBeLessThan(1500);
    await new Promise((resolve) => void silent.close(resolve));
  });
});
