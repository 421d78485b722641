import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../fakes/clock.ts';
import { exchange, RawClient } from './service.ts';
import { startValidating, type Validating } from './validating.ts';

let server: Validating;
let good: string;
beforeAll(async () => {
  server = await startValidating({ requestTimeout: 400 });
  good = server.token({ groups: ['staff'] });
  server.app.server.on('connection', (socket) => {
    open += 1;
    socket.once('close', () => (open -= 1));
  });
});
afterAll(async () => await server[Symbol.asyncDispose]());

/** Connections that the server has open. */
let open = 0;

const head = (line: string, ...headers: string[]): string =>
  `${[line, 'Host: h', ...headers].join('\r\n')}\r\n\r\n`;
const authorized = (): string => `Authorization: Bearer ${good}`;
/** The statuses of the answers in what came back. */
const statuses = (received: string): number[] =>
  [...received.matchAll(/HTTP\/1\.1 (\d{3}) /gu)].map(([, status]) => Number(status));
const ask = async (line: string, ...headers: string[]): Promise<number[]> =>
  statuses(await exchange(server.port, head(line, ...headers, 'Connection: close')));

describe('the token of a request', () => {
  test.each<[string, (token: string) => string[], number]>([
    ['as RFC 6750 writes it', (token) => [`Authorization: Bearer ${token}`], 200],
    ['with another case', (token) => [`aUTHORIZATION: bEARER ${token}`], 200],
    ['after more than one space', (token) => [`Authorization:   Bearer   ${token}`], 200],
    [
      'with white space around the value, which is not part of it',
      (token) => [`Authorization: \t Bearer ${token} \t`],
      200,
    ],
    ['after a tab', (token) => [`Authorization: Bearer\t${token}`], 401],
    ['after no space', (token) => [`Authorization: Bearer${token}`], 401],
    ['without a scheme', (token) => [`Authorization: ${token}`], 401],
    ['of another scheme', (token) => [`Authorization: DPoP ${token}`], 401],
    ['with a no-break space behind it', (token) => [`Authorization: Bearer ${token}\u00a0`], 401],
    ['twice in one line', (token) => [`Authorization: Bearer ${token}, Bearer ${token}`], 401],
    ['with a word behind it', (token) => [`Authorization: Bearer ${token} x`], 401],
    ['in two lines', (token) => [`Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`], 401],
    ['in front of another', (token) => [`Authorization: Bearer ${token}`, 'authorization: Bearer x'], 401],
    [
      'in another header',
      (token) => [`Proxy-Authorization: Bearer ${token}`, `X-Authorization: Bearer ${token}`],
      401,
    ],
    ['in a cookie', (token) => [`Cookie: access_token=${token}`], 401],
    ['in the query', (token) => [`X: ${token}`], 401],
    ['with padding', (token) => [`Authorization: Bearer ${token}=`], 401],
    ['with 16 KiB', () => [`Authorization: Bearer ${server.token({ x: 'x'.repeat(11_000) })}`], 200],
    [
      'with more than 16 KiB',
      () => [`Authorization: Bearer ${server.token({ x: 'x'.repeat(12_500) })}`],
      401,
    ],
    ['in a header of 31 KiB', () => [`Authorization: Bearer ${'x'.repeat(31_000)}`], 401],
    ['of 31 KiB of dots', () => [`Authorization: Bearer ${'.'.repeat(31_000)}`], 401],
    ['of bytes above ASCII', () => ['Authorization: Bearer \u00ff\u00fe.\u00e9.\u0080'], 401],
  ])('%s', async (name, headers, status) => {
    const query = name === 'in the query' ? `?access_token=${good}` : '';
    expect(await ask(`GET /validate${query} HTTP/1.1`, ...headers(good))).toEqual([status]);
  });

  test('a megabyte of it, or a folded line, is no HTTP request that is answered', async () => {
    expect(await ask('GET /validate HTTP/1.1', `Authorization: Bearer ${'x'.repeat(1 << 20)}`)).toEqual([
      431,
    ]);
    expect(await ask('GET /validate HTTP/1.1', `Authorization: Bearer\r\n ${good}`)).not.toEqual([200]);
  });
});

describe('the target of a request', () => {
  test.each<[string, number[]]>([
    ['/validate', [200]],
    ['/validate/', [200]],
    ['//validate', [200]],
    ['/validate//x', [200]],
    ['/validate/../x', [200]],
    ['/validate/%2e%2e/x', [200]],
    ['/validate/100%', [200]],
    ['/validate/%ff?q=%zz&group=staff', [200]],
    ['/validate/%ff?group=none', [403]],
    ['http://h/validate', [200]],
    ['HTTP://h:80//validate/x?group=staff', [200]],
    [`/validate/${'x'.repeat(12_000)}`, [200]],
    ['/%76alidate', [404]],
    ['/validate%2fx', [404]],
    ['/validate;x', [404]],
    ['/validate.pem', [404]],
    ['/VALIDATE', [404]],
    ['/x/../validate', [404]],
    ['/x/validate', [404]],
    ['/x?/validate', [404]],
    ['http://h/x?http://h/validate', [404]],
  ])('%s', async (target, expected) => {
    expect(await ask(`GET ${target} HTTP/1.1`, authorized())).toEqual(expected);
  });

  test('HTTP/1.0 is answered, and the connection ends', async () => {
    const received = await exchange(server.port, `POST /validate HTTP/1.0\r\n${authorized()}\r\n\r\n`);
    expect(statuses(received)).toEqual([200]);
  });
});

describe('the body of a request', () => {
  test.each<[string, string]>([
    ['two lengths', 'Content-Length: 4\r\nContent-Length: 5'],
    ['a length and chunks', 'Content-Length: 4\r\nTransfer-Encoding: chunked'],
    ['chunks that are not the last coding', 'Transfer-Encoding: chunked, identity'],
    ['chunks by another name', 'Transfer-Encoding: xchunked'],
    ['a length with a sign', 'Content-Length: +4'],
    ['a length of words', 'Content-Length: four'],
    ['a space in front of the colon', 'Content-Length : 4'],
  ])('with %s smuggles no second request', async (_name, headers) => {
    const received = await exchange(
      server.port,
      head('POST /validate HTTP/1.1', authorized(), ...headers.split('\r\n')) +
        `0\r\n\r\n${head('GET /validate/smuggled HTTP/1.1', authorized(), 'Connection: close')}`,
    );
    expect(statuses(received)).not.toContain(500);
    expect(statuses(received).filter((status) => status === 200).length).toBeLessThan(2);
  });

  test('of a GET in chunks, and one that waits to be asked for, keep the connection usable', async () => {
    const client = await RawClient.open(server.port);
    client.send(
      `${head('GET /validate HTTP/1.1', authorized(), 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\n\r\n`,
    );
    client.send(head('POST /validate HTTP/1.1', authorized(), 'Content-Length: 3', 'Expect: 100-continue'));
    await until(() => client.received.includes('100 Continue'));
    client.send(`abc${head('POST /validate HTTP/1.1', authorized(), 'Expect: the-unexpected')}`);
    client.send(head('GET /validate HTTP/1.1', 'Connection: close'));
    await client.closed;
    expect(statuses(client.received)).toEqual([200, 100, 200, 200, 401]);
  });

  test('does not change the answers of 100 requests that are sent at once', async () => {
    const client = await RawClient.open(server.port);
    const body = 'x'.repeat(700);
    const post = (token: string): string =>
      head('PUT /validate/x HTTP/1.1', `Authorization: Bearer ${token}`, `Content-Length: ${body.length}`) +
      body;
    client.send(Array.from({ length: 100 }, (_, n) => post(n % 3 === 0 ? 'x' : good)).join(''));
    client.send(head('GET /validate HTTP/1.1', 'Connection: close'));
    await client.closed;
    const expected = Array.from({ length: 100 }, (_, n) => (n % 3 === 0 ? 401 : 200));
    expect(statuses(client.received)).toEqual([...expected, 401]);
  });

  test.each([
    ['64 KiB', 1 << 16, [200, 401]],
    ['more than 64 KiB', (1 << 16) + 1, [200]],
  ])(
    'of %s is read away, and the connection kept, as long as it is no longer',
    async (_name, length, expected) => {
      const client = await RawClient.open(server.port);
      client.send(head('POST /validate HTTP/1.1', authorized(), `Content-Length: ${length}`));
      await until(() => client.received.includes('"sub"'));
      client.send('x'.repeat(length));
      if (length > 1 << 16) await client.closed;
      else client.send(head('GET /validate HTTP/1.1', 'Connection: close'));
      await client.closed;
      expect(statuses(client.received)).toEqual(expected);
    },
  );

  test('of 100 MB is not taken, and the answer arrives all the same', async () => {
    const client = await RawClient.open(server.port);
    client.send(head('POST /validate HTTP/1.1', authorized(), 'Content-Length: 104857600'));
    client.send('x'.repeat(1 << 20));
    await until(() => client.received.includes('"sub"'));
    const pieces = Array.from({ length: 1584 }, () => Buffer.alloc(1 << 16));
    await Promise.allSettled([pipeline(Readable.from(pieces), client.socket), client.closed]);
    expect(statuses(client.received)).toEqual([200]);
    expect(client.received).toContain('connection: close');
  });

  test('that never ends keeps nobody from the answer, and the connection no longer than requestTimeout', async () => {
    const client = await RawClient.open(server.port);
    client.send(head('POST /validate HTTP/1.1', authorized(), 'Content-Length: 1000')).send('x');
    await until(() => client.received.includes('"sub"'));
    await client.closed;
    expect(statuses(client.received)[0]).toBe(200);
  });
});

test('clients that vanish leave nothing behind', async () => {
  const clients = await Promise.all(
    Array.from({ length: 50 }, async () => await RawClient.open(server.port)),
  );
  for (const [n, client] of clients.entries()) {
    client
      .send(head('POST /validate HTTP/1.1', authorized(), 'Content-Length: 200000'))
      .send('x'.repeat(n * 1999));
    if (n % 2 === 0) client.socket.resetAndDestroy();
    else client.socket.end();
  }
  await Promise.all(clients.map(async ({ closed }) => await closed));
  await until(() => open === 0);
  expect(await ask('GET /validate HTTP/1.1', authorized())).toEqual([200]);
});

test('nothing of all this was worth a line in the log', () => {
  expect(server.complaints).toEqual([]);
});
