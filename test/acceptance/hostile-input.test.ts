import { mkdir, open, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually, startJwksd, temporaryDirectory, type Running } from '../fakes/jwksd.ts';
import { connect, exchange, exchangeOn, get, kidsAt } from './client.ts';
import { digestOf, makeSigner, type Signer } from './signer.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: Running;
let signer: Signer;

beforeAll(async () => {
  directory = await temporaryDirectory();
  signer = await makeSigner();
  const keys = path.join(directory.path, 'keys');
  await mkdir(keys);
  await writeFile(path.join(keys, 'good.json'), JSON.stringify(signer.jwk));
  await writeFile(path.join(keys, 'broken.json'), '{"kty":"EC","crv":"P-256","x":');
  await writeFile(path.join(keys, 'empty.pem'), '');
  await writeFile(
    path.join(keys, 'noise.pem'),
    Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 37) % 256)),
  );
  // 100 MB that take no room on the disk.
  const sparse = await open(path.join(keys, 'huge.json'), 'w');
  await sparse.truncate(100 * 1024 * 1024);
  await sparse.close();
  await mkdir(path.join(keys, 'directory.json'));
  await writeFile(
    path.join(directory.path, 'outside.pem'),
    signer.publicKey.export({ type: 'spki', format: 'pem' }),
  );
  server = await startJwksd(['--keys', keys], { env: { JWKSD_SERVER__REQUEST_TIMEOUT: '2s' } });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

// Whatever was sent: alive, no 5xx told or counted, and the key still there.
afterEach(async () => {
  expect((await get(`${server.url}/livez`)).status).toBe(200);
  expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual([signer.kid]);
  expect((await get(`${server.opsUrl}/metrics`)).text).not.toMatch(
    /^jwksd_http_requests_total\{[^}]*status="5/mu,
  );
  expect(server.log().filter(({ level }) => Number(level) >= 50)).toEqual([]);
});

const statusOf = (received: string): number => Number(/^HTTP\/1\.1 (\d{3}) /u.exec(received)?.[1]);

/** One request on a connection of its own: the status, 0 when the connection was closed without one. */
const send = async (head: string): Promise<number> => {
  const received = await exchange(server.port, `${head}\r\nHost: keys\r\nConnection: close\r\n\r\n`);
  return statusOf(received) || 0;
};

test('files that are no keys cost nothing but a warning each', async () => {
  const { sources } = JSON.parse((await get(`${server.opsUrl}/status`)).text) as {
    sources: { notes: string[]; keys: number }[];
  };
  for (const name of ['broken.json', 'empty.pem', 'noise.pem', 'huge.json']) {
    expect(
      sources[0]?.notes.filter((note) => note.includes(name)),
      name,
    ).toHaveLength(1);
  }
  expect(sources[0]).toMatchObject({ keys: 1 });
});

describe('a target', () => {
  const digest = 'a'.repeat(64);
  test.each([
    ['leaves the directory', '/../../outside.pem', 404],
    ['leaves the directory, encoded', '/%2e%2e/%2e%2e/outside.pem', 404],
    ['leaves the directory, twice encoded', '/%252e%252e/outside.pem', 404],
    ['leaves the directory below a document', '/certs/../certs/../outside.pem', 404],
    ['has encoded slashes', '/certs%2f..%2foutside.pem', 404],
    ['has backslashes', '/..\\..\\outside.pem', 404],
    ['has a NUL', `/certs/${digest}%00.pem`, 404],
    ['has a NUL in a key ID', '/sets/default/keys/a%00b', 404],
    ['has a broken escape', '/certs/%zz.pem', 400],
    ['has an overlong UTF-8 escape', '/%c0%ae%c0%ae/outside.pem', 400],
    ['has 10,000 characters', `/${'a'.repeat(10_000)}`, 414],
    ['has a key ID of 10,000 characters', `/sets/default/keys/${'a'.repeat(10_000)}`, 414],
    ['has a query of 10,000 characters', `/.well-known/jwks.json?${'a'.repeat(10_000)}`, 414],
    ['has 4,000 slashes', '/'.repeat(4000), 404],
    ['is a name of every object', '/sets/__proto__/jwks.json', 404],
    ['is a key of every object', '/sets/default/keys/constructor', 404],
    ['is of another host', 'http://evil.example/.well-known/jwks.json', 200],
  ])('that %s', async (_title, target, expected) => {
    expect(await send(`GET ${target} HTTP/1.1`)).toBe(expected);
  });

  test('that is no path', async () => {
    expect(await send('GET /\0 HTTP/1.1')).toBe(400);
    expect(await send('GET certs HTTP/1.1')).toBe(400);
    // RFC 9112 §3.2.4 has it for OPTIONS only; it counts as the root.
    expect([200, 404]).toContain(await send('GET * HTTP/1.1'));
    expect(await send('OPTIONS * HTTP/1.1')).toBe(204);
  });
});

const filler = (bytes: number): string => `X-Filler: ${'a'.repeat(bytes)}`;

describe('headers', () => {
  test('of 20 KB are taken', async () => {
    expect(await send(`GET /.well-known/jwks.json HTTP/1.1\r\n${filler(20_000)}`)).toBe(200);
  });

  test('of 40 KB are refused with 431 and a problem document', async () => {
    const received = await exchange(
      server.port,
      `GET /.well-known/jwks.json HTTP/1.1\r\nHost: keys\r\n${filler(40_000)}\r\n\r\n`,
    );
    expect(statusOf(received)).toBe(431);
    expect(received).toContain('application/problem+json');
    expect(received).toContain('headers_too_large');
  });

  test.each([
    ['two lengths', 'Content-Length: 1\r\nContent-Length: 2'],
    ['a length and chunks', 'Content-Length: 1\r\nTransfer-Encoding: chunked'],
    ['a bad chunk coding', 'Transfer-Encoding: chunked, identity'],
    ['a negative length', 'Content-Length: -1'],
    ['a space before the colon', 'X-Header : a'],
    ['a folded line', 'X-Header: a\r\n b'],
  ])("with %s get no answer that could be somebody else's", async (_title, header) => {
    const received = await exchange(
      server.port,
      `GET /livez HTTP/1.1\r\nHost: keys\r\n${header}\r\nConnection: close\r\n\r\nx`,
    );
    expect([200, 400]).toContain(statusOf(received));
    expect(received.match(/HTTP\/1\.1 \d/gu)).toHaveLength(1);
  });
});

describe('a connection', () => {
  test('whose first bytes are no HTTP is answered with 400 and closed', async () => {
    for (const noise of [
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      'SSH-2.0-OpenSSH_9.6\r\n',
      '\0\0\0\0\r\n\r\n',
    ]) {
      expect([400, Number.NaN]).toContain(
        statusOf(await exchange(server.port, Buffer.from(noise, 'latin1'))),
      );
    }
  });

  test('with garbage after a request gets the answer to the request first', async () => {
    const received = await exchange(
      server.port,
      'GET /livez HTTP/1.1\r\nHost: keys\r\n\r\n\x01\x02garbage\r\n\r\n',
    );
    expect(received).toMatch(/^HTTP\/1\.1 200 /u);
    expect(received).toContain('{"status":"live"}');
  });

  test('with 100 requests at once gets 100 answers in order', async () => {
    const names = Array.from({ length: 100 }, (_, n) =>
      n % 2 === 0 ? '/livez' : `/certs/${digestOf(signer.kid)}.pem`,
    );
    const received = await exchange(
      server.port,
      names
        .map(
          (name, n) => `GET ${name} HTTP/1.1\r\nHost: keys\r\n${n === 99 ? 'Connection: close\r\n' : ''}\r\n`,
        )
        .join(''),
    );
    const kinds = [...received.matchAll(/\{"status":"live"\}|-----BEGIN/gu)].map(([text]) => text);
    expect(kinds).toEqual(names.map((_, n) => (n % 2 === 0 ? '{"status":"live"}' : '-----BEGIN')));
  });

  test('that sends half a request is closed after `requestTimeout`', async () => {
    const begun = performance.now();
    const received = await exchange(server.port, 'GET /livez HTTP/1.1\r\nHost: ke');
    expect(statusOf(received)).toBe(408);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(1900);
  });

  test.each(['GET', 'POST'])('whose body never ends is closed (%s)', async (method) => {
    const socket = await connect(server.port);
    const drip = setInterval(() => socket.write('1\r\na\r\n'), 100);
    try {
      const received = await exchangeOn(
        socket,
        `${method} /.well-known/jwks.json HTTP/1.1\r\nHost: keys\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      expect(statusOf(received)).toBe(method === 'GET' ? 200 : 405);
    } finally {
      clearInterval(drip);
    }
  });

  test('that the other side half closed is answered and closed', async () => {
    const socket = await connect(server.port);
    socket.end('GET /livez HTTP/1.1\r\nHost: keys\r\n\r\n');
    expect(statusOf(await exchangeOn(socket, ''))).toBe(200);
  });
});

test('200 idle connections hold up nobody, and are closed when they were silent for too long', async () => {
  const sockets: Socket[] = [];
  let closed = 0;
  for (let n = 0; n < 200; n += 1) {
    const socket = await connect(server.port);
    socket.on('close', () => (closed += 1)).resume();
    sockets.push(socket);
    // Every other one begins a request and goes silent.
    if (n % 2 === 0) socket.write('GET / HTTP/1.1\r\nHost:');
  }
  const begun = performance.now();
  expect((await get(`${server.url}/.well-known/jwks.json`)).status).toBe(200);
  expect(performance.now() - begun).toBeLessThan(1500);
  await eventually(() => closed === 200 || undefined, 15_000);
  for (const socket of sockets) socket.destroy();
});
