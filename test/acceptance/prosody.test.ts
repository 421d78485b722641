import { createPublicKey } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually, startJwksd, temporaryDirectory } from '../fakes/jwksd.ts';
import { drip, FakeUpstream, hang, ok, reset, status, type Handler } from '../fakes/upstream.ts';
import { exchange, ready } from './client.ts';
import { digestOf, makeSigner, setOf } from './signer.ts';

/** What Prosody's net.http makes of an answer: the first line, headers in lower case, the body by its length. */
interface ProsodyAnswer {
  readonly code: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Sends the request of Jitsi's `async_handler_wrapper`, byte for byte, on a connection of its own. */
const prosody = async (port: number, target: string): Promise<ProsodyAnswer> => {
  const request =
    `GET ${target} HTTP/1.1\r\n` +
    `Host: 127.0.0.1:${port}\r\n` +
    'User-Agent: Prosody XMPP Server/0.12\r\n' +
    'Connection: close\r\n' +
    '\r\n';
  const received = await exchange(port, request);
  const end = received.indexOf('\r\n\r\n');
  const [first = '', ...lines] = received.slice(0, end).split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const [, name = '', value = ''] = /^([^\s:]+): *(.*?) *$/u.exec(line) ?? [];
      return [name.toLowerCase(), value];
    }),
  );
  const code = Number(/^HTTP\/1\.1 (\d{3}) /u.exec(first)?.[1]);
  const body = received.slice(end + 4);
  // net.http reads to the length, or undoes chunks; PEMs come with a length.
  expect(headers.get('transfer-encoding')).toBeUndefined();
  expect(Number(headers.get('content-length'))).toBe(body.length);
  return { code, headers, body };
};

/** The kid and the file name of the article that showed how to do this by hand. */
const article = {
  kid: '1DKOk8q4Dc9BSgDLmksFemg5lEGuoYQvYrHVOnXNj3k',
  digest: 'e15452c2c03fc8afdb1d558953ab30ffd235a622fad1175de7f791a3c86eb08d',
};

test("the article's kid is served at the article's path, and wherever else Prosody looks", async () => {
  const signer = await makeSigner('RS256', article.kid);
  await using directory = await temporaryDirectory();
  await writeFile(path.join(directory.path, 'jwks.json'), JSON.stringify(setOf(signer)));
  await using server = await startJwksd(['--keys', directory.path]);
  expect(digestOf(article.kid)).toBe(article.digest);
  for (const target of [
    `/certs/${article.digest}.pem`,
    `/certs//${article.digest}.pem`,
    `//${article.digest}.pem`,
    `/${article.digest}.pem`,
  ]) {
    const { code, headers, body } = await prosody(server.port, target);
    expect(code, target).toBe(200);
    expect(headers.get('content-type')).toBe('application/x-x509-ca-cert; charset=utf-8');
    expect(headers.get('content-encoding')).toBeUndefined();
    expect(body).toMatch(
      /^-----BEGIN PUBLIC KEY-----\n(?:[A-Za-z0-9+/=]{1,64}\n)+-----END PUBLIC KEY-----\n$/u,
    );
    expect(createPublicKey(body).equals(signer.publicKey)).toBe(true);
  }
});

describe('whatever the upstream does, the answer is there within 3 s and never a 200 that is no key', () => {
  const html = { 'content-type': 'text/html' };
  const misdeeds: readonly (readonly [string, Handler])[] = [
    ['fails', status(500, {}, '-----BEGIN PUBLIC KEY-----')],
    ['resets', reset()],
    ['answers with a page', ok('<html>-----BEGIN PUBLIC KEY-----</html>', html)],
    ['has no keys any more', ok({ keys: [] })],
    ['drips', drip({ keys: [] }, 100)],
    ['hangs', hang()],
  ];

  test.each([misdeeds[0]!, misdeeds[5]!])('from the start, when it %s', async (_title, handler) => {
    await using upstream = await FakeUpstream.start({ handler });
    await using directory = await temporaryDirectory();
    await using server = await startJwksd(['--upstream', upstream.url().href], { cwd: directory.path });
    const begun = performance.now();
    const { code, headers, body } = await prosody(server.port, `/certs/${article.digest}.pem`);
    expect(performance.now() - begun).toBeLessThan(3000);
    expect(code).toBe(503);
    expect(headers.get('retry-after')).toBe('2');
    expect(body).not.toContain('BEGIN');
  });

  test('later on, in each way after the other', async () => {
    const signer = await makeSigner('RS256');
    await using upstream = await FakeUpstream.start({ handler: ok(setOf(signer)) });
    await using directory = await temporaryDirectory();
    await using server = await startJwksd(['--upstream', upstream.url().href], { cwd: directory.path });
    await ready(server);
    for (const [title, handler] of misdeeds) {
      upstream.handler = handler;
      const begun = performance.now();
      const known = await prosody(server.port, `/certs/${digestOf(signer.kid)}.pem`);
      expect([known.code, createPublicKey(known.body).equals(signer.publicKey)], title).toEqual([200, true]);
      const unknown = await prosody(server.port, `/certs/${digestOf(title)}.pem`);
      expect([unknown.code, unknown.headers.get('cache-control')], title).toEqual([404, 'no-store']);
      expect(unknown.headers.get('content-type')).toMatch(/^text\/plain/u);
      expect(performance.now() - begun, title).toBeLessThan(3000);
    }
  });

  test('for 200 made-up names at once while it hangs, and it is asked once', async () => {
    const signer = await makeSigner('RS256');
    await using upstream = await FakeUpstream.start({ handler: ok(setOf(signer)) });
    await using directory = await temporaryDirectory();
    await using server = await startJwksd(['--upstream', upstream.url().href], { cwd: directory.path });
    await ready(server);
    upstream.handler = hang();
    const asked = upstream.requests.length;
    const begun = performance.now();
    const madeUp = Promise.all(
      Array.from(
        { length: 200 },
        async (_, n) => await prosody(server.port, `//${digestOf(`made up ${n}`)}.pem`),
      ),
    );
    // A known key does not wait with them.
    await eventually(() => upstream.requests.length > asked || undefined);
    expect((await prosody(server.port, `//${digestOf(signer.kid)}.pem`)).code).toBe(200);
    expect(new Set((await madeUp).map(({ code }) => code))).toEqual(new Set([404]));
    expect(performance.now() - begun).toBeLessThan(3000);
    expect(upstream.requests.length - asked).toBe(1);
  });
});

test('a key that appeared upstream is served on the first request for it', async () => {
  const [old, next] = [await makeSigner('RS256'), await makeSigner('RS256')];
  await using upstream = await FakeUpstream.start({
    handler: ok(setOf(old), { 'cache-control': 'max-age=2592000' }),
  });
  await using directory = await temporaryDirectory();
  await using server = await startJwksd(['--upstream', upstream.url().href], { cwd: directory.path });
  await ready(server);
  upstream.handler = ok(setOf(old, next));
  const { code, body } = await prosody(server.port, `/certs/${digestOf(next.kid)}.pem`);
  expect(code).toBe(200);
  expect(createPublicKey(body).equals(next.publicKey)).toBe(true);
});
