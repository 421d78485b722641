import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { askUrl, readDocument, type ReadOptions } from '../../src/cli/document.ts';
import type { Io } from '../../src/cli/command.ts';
import { ManualClock, until } from '../fakes/clock.ts';
import { temporaryDirectory } from '../fakes/jwksd.ts';
import { FakeAuthority } from '../fakes/tls.ts';
import { bomb, cutOff, encoded, FakeUpstream, hang, ok, redirect, status } from '../fakes/upstream.ts';

const body = '{"keys":[]}';
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let upstream: FakeUpstream;

beforeAll(async () => {
  for (const name of ['http_proxy', 'https_proxy', 'no_proxy']) {
    // The machine the tests run on may have a proxy of its own.
    delete process.env[name];
    delete process.env[name.toUpperCase()];
  }
  directory = await temporaryDirectory();
  upstream = await FakeUpstream.start();
});
afterAll(async () => {
  await upstream.close();
  await directory[Symbol.asyncDispose]();
});
beforeEach(() => {
  upstream.requests.length = 0;
});

const io = (stdin: Iterable<Buffer> = []): Io => ({
  stdin: Readable.from(stdin),
  stdout: { write: () => undefined },
  stderr: { write: () => undefined },
  env: {},
  cwd: directory.path,
});
const read = async (where: string, options?: ReadOptions) => await readDocument(where, io(), options);
const refusal = async (where: string, options?: ReadOptions): Promise<string> =>
  await read(where, options).then(
    () => 'no refusal',
    (error: unknown) => `${(error as { code: string }).code}: ${(error as Error).message}`,
  );

describe('a file', () => {
  test('is read from the directory the command runs in, under the name it was given', async () => {
    await writeFile(path.join(directory.path, 'set.json'), body);
    expect(await read('set.json')).toEqual({ name: 'set.json', bytes: Buffer.from(body) });
  });

  test('may be a pipe, as the shell makes one of <(command)', async () => {
    const pipe = path.join(directory.path, 'pipe');
    await promisify(execFile)('mkfifo', [pipe]);
    const [document] = await Promise.all([read('pipe'), writeFile(pipe, body)]);
    expect(document.bytes.toString()).toBe(body);
  });

  test.each([
    ['none.json', 'failed: none.json does not exist'],
    ['set.json/none', 'failed: set.json/none does not exist'],
    ['folder', 'failed: folder is a directory; name a file in it'],
    ['big', 'failed: big is larger than 1048576 bytes; is it the right one?'],
    ['x'.repeat(300), `failed: ${'x'.repeat(300)} does not exist: the name is too long`],
  ])('%.20s is refused', async (name, message) => {
    await mkdir(path.join(directory.path, 'folder'), { recursive: true });
    await writeFile(path.join(directory.path, 'big'), Buffer.alloc(1024 * 1024 + 1));
    expect(await refusal(name)).toBe(message);
  });

  test('may be larger where the command says so', async () => {
    await writeFile(path.join(directory.path, 'larger'), Buffer.alloc(1024 * 1024 + 1));
    expect((await read('larger', { limit: 2 ** 21 })).bytes).toHaveLength(2 ** 20 + 1);
  });
});

describe('-', () => {
  test('is stdin, to its end', async () => {
    const document = await readDocument('-', io([Buffer.from('{"ke'), Buffer.from('ys":[]}')]));
    expect(document).toEqual({ name: 'stdin', bytes: Buffer.from(body) });
  });

  test('is not read beyond the limit', async () => {
    let given = 0;
    const endless = (function* () {
      for (;;) {
        given += 1;
        yield Buffer.alloc(1000);
      }
    })();
    await expect(readDocument('-', io(endless), { limit: 5000 })).rejects.toThrow(
      'stdin is larger than 5000',
    );
    expect(given).toBeLessThan(100);
  });
});

describe('a URL', () => {
  test('is asked once, without asking for compression, and its answer is kept', async () => {
    upstream.handler = ok(body, { 'cache-control': 'max-age=60', 'x-two': ['a', 'b'] });
    const { name, bytes, response } = await read(`${upstream.url().href}?token=1#part`);
    expect(name).toBe(upstream.url().href);
    expect(bytes.toString()).toBe(body);
    expect(response).toMatchObject({
      status: 200,
      url: `${upstream.url().href}?token=1`,
      headers: { 'cache-control': 'max-age=60', 'x-two': 'a,b' },
    });
    expect(response).not.toHaveProperty('location');
    const [request] = upstream.requests;
    expect(upstream.requests).toHaveLength(1);
    expect(Object.keys(request?.headers ?? {}).sort()).toEqual([
      'accept',
      'connection',
      'host',
      'user-agent',
    ]);
  });

  test('is asked with the headers the caller wants, and no others', async () => {
    upstream.handler = ok(body);
    await read(upstream.url().href, { headers: {} });
    expect(Object.keys(upstream.requests[0]?.headers ?? {}).sort()).toEqual(['connection', 'host']);
  });

  test('that compresses unasked is understood', async () => {
    upstream.handler = encoded('gzip', body);
    const { bytes, response } = await read(upstream.url().href);
    expect([bytes.toString(), response?.headers['content-encoding']]).toEqual([body, 'gzip']);
  });

  test('tells how long the whole answer took', async () => {
    const clock = new ManualClock();
    upstream.handler = (_, response) => {
      void clock.advance(700).then(() => response.end(body));
    };
    expect((await read(upstream.url().href, { clock })).response?.milliseconds).toBe(700);
  });

  test('that never answers is given up at the deadline', async () => {
    const clock = new ManualClock();
    upstream.handler = hang();
    const refused = refusal(upstream.url().href, { clock });
    await until(() => upstream.requests.length === 1);
    await clock.advance(10_000);
    expect(await refused).toBe(
      `failed: ${upstream.url().href}: no complete answer within 10000 ms; the server hangs, or is not reachable from here`,
    );
    expect(clock.pending).toBe(0);
  });

  test.each([
    [status(404), 'answers 404 instead of 200; look at the path'],
    [status(500), 'answers 500 instead of 200; look at the log of that server'],
    [redirect('/other?secret=1'), '/other (302); ask that URL'],
    [redirect('https://other.example/jwks.json', 308), 'redirects to https://other.example/jwks.json (308)'],
    [ok(Buffer.alloc(2 ** 20 + 1)), 'the body is larger than 1048576 bytes'],
    [bomb('gzip', 2 ** 24), 'the body is larger than 1048576 bytes'],
    [cutOff(body, 5), 'is this the right port'],
  ])('%# that answers otherwise is refused', async (handler, message) => {
    upstream.handler = handler;
    const text = await refusal(upstream.url().href);
    expect(text).toContain(message);
    expect(text).not.toContain('secret');
    expect(upstream.requests).toHaveLength(1);
  });

  test('is told of as it answers, by the caller that wants to judge it', async () => {
    upstream.handler = redirect('/other');
    const { response } = await askUrl(upstream.url().href);
    expect(response).toMatchObject({ status: 302, location: upstream.url('/other').href });
    expect(upstream.requests).toHaveLength(1);
  });

  test('where nothing listens, and one of no certificate we know, are told apart', async () => {
    const closed = await FakeUpstream.start();
    const { href } = closed.url();
    await closed.close();
    expect(await refusal(href)).toContain('ECONNREFUSED); nothing listens there');
    await using secure = await FakeUpstream.start({ tls: new FakeAuthority().issue(), handler: ok(body) });
    expect(await refusal(secure.url().href)).toMatch(
      /TLS certificate was not accepted .*NODE_EXTRA_CA_CERTS/u,
    );
  });

  test.each([
    ['https://', 'usage: "https://" is not a URL'],
    ['http://me:geheim@127.0.0.1/', 'usage: http://127.0.0.1/: a user name in the URL is not sent'],
  ])('%s is wrong usage', async (where, message) => {
    const text = await refusal(where);
    expect(text).toContain(message);
    expect(text).not.toContain('geheim');
  });
});
