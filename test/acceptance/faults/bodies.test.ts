import zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ecJwk, jwks } from '../../fakes/keys.ts';
import {
  bomb,
  cutOff,
  encoded,
  ok,
  raw,
  redirect,
  reset,
  sequence,
  status,
  type Handler,
} from '../../fakes/upstream.ts';
import { startRig, type Rig, type SourceSpec } from './rig.ts';

const good = jwks('good');
/** What a body that is taken lists. */
const better = jwks('good', 'better');
const text = JSON.stringify(better);
const length = Buffer.byteLength(text);
const json = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
const rawBody = (body: string | Buffer): Handler => ok(body);
/** Sends no length: chunks, until the end. */
const chunked =
  (body: string): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(body.slice(0, 10));
    response.end(body.slice(10));
  };
const deep = (n: number): string => '['.repeat(n) + ']'.repeat(n);
const twice = (bytes: Buffer): Buffer => zlib.gzipSync(zlib.gzipSync(bytes));
const weak = { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'weak' };

/** What the upstream does; the code of the failure, or `taken` when its keys are published. */
type Case = readonly [title: string, handler: Handler, expected: string, source?: SourceSpec['source']];

const bodies: readonly Case[] = [
  ['an empty set', ok({ keys: [] }), 'empty_set'],
  ['a set of unusable keys', ok({ keys: [weak, null, 7] }), 'no_usable_keys'],
  ['a login page', ok('<!doctype html><title>Login</title>', { 'content-type': 'text/html' }), 'html'],
  ['a set that is called a page', ok(better, { 'content-type': 'Text/HTML; charset=utf-8' }), 'html'],
  ['a page that is called JSON', ok('<!doctype html><title>Login</title>'), 'html'],
  ['a set that is called plain text', ok(better, { 'content-type': 'text/plain' }), 'taken'],
  ['a set without a media type', raw(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${text}`), 'taken'],
  ['a set in chunks', chunked(text), 'taken'],
  ['no body', ok(''), 'not_json'],
  ['half a set', ok(text.slice(0, length / 2)), 'not_json'],
  ['a set with a comment', ok(`// keys\n${text}`), 'not_json'],
  ['a set and something else', ok(`${text}${text}`), 'not_json'],
  ['null', ok('null'), 'not_jwks'],
  ['a list', ok(JSON.stringify(better.keys)), 'not_jwks'],
  ['a text', ok('"keys"'), 'not_jwks'],
  ['an error in JSON', ok({ error: 'temporarily_unavailable' }), 'not_jwks'],
  ['keys that are an object', ok({ keys: { 0: better.keys[0] } }), 'not_jwks'],
  ['keys that are inherited', ok(`{"__proto__":${text}}`), 'not_jwks'],
  ['one byte order mark', ok(`\uFEFF${text}`), 'taken'],
  ['two byte order marks', ok(`\uFEFF\uFEFF${text}`), 'not_json'],
  ['invalid UTF-8', rawBody(Buffer.from(text.replace('better', 'b\xe9tter'), 'latin1')), 'not_utf8'],
  ['UTF-16', rawBody(Buffer.from(`\uFEFF${text}`, 'utf16le')), 'not_utf8'],
  ['500,000 lists in each other', ok(deep(500_000).slice(0, 1_000_000)), 'not_json'],
  ['500,000 lists beside the keys', ok(`{"x":${deep(500_000)},"keys":[]}`), 'not_json'],
  ['400,000 lists as a key', ok(`{"keys":[${deep(400_000)},${JSON.stringify(ecJwk('good'))}]}`), 'not_json'],
  ['2 MiB, announced', ok(text.padEnd(2 * 1024 * 1024)), 'too_large'],
  ['2 MiB, in chunks', chunked(text.padEnd(2 * 1024 * 1024)), 'too_large'],
  ['a set and 1,000,000 spaces', ok(text.padEnd(1_000_000)), 'taken'],
];

const lengths: readonly Case[] = [
  ['a connection cut in the body', cutOff(better), 'reset'],
  ['a length that promises too much', raw(`${json}Content-Length: ${length + 1}\r\n\r\n${text}`), 'reset'],
  ['a length that promises too little', raw(`${json}Content-Length: 20\r\n\r\n${text}`), 'not_json'],
  ['a length beyond every number', raw(`${json}Content-Length: ${'9'.repeat(40)}\r\n\r\n${text}`), 'reset'],
  ['a negative length', raw(`${json}Content-Length: -1\r\n\r\n${text}`), 'reset'],
  ['two lengths', raw(`${json}Content-Length: ${length}\r\nContent-Length: 5\r\n\r\n${text}`), 'reset'],
  ['chunks cut short', raw(`${json}Transfer-Encoding: chunked\r\n\r\n5\r\n{"key`), 'reset'],
  ['chunks of no size', raw(`${json}Transfer-Encoding: chunked\r\n\r\nkeys\r\n${text}`), 'reset'],
  ['no length, ended by the connection', raw(`${json}\r\n${text}`), 'taken'],
];

const codings: readonly Case[] = [
  ['gzip nobody asked for', encoded('gzip', better), 'taken'],
  ['brotli nobody asked for', encoded('br', better), 'taken'],
  ['deflate nobody asked for', encoded('deflate', better), 'taken'],
  ['a gzip bomb of 100 MB', bomb('gzip', 100_000_000, better), 'too_large'],
  ['a brotli bomb of 100 MB', bomb('br', 100_000_000, better), 'too_large'],
  ['gzip twice, said once', ok(twice(Buffer.from(text)), { 'content-encoding': 'gzip' }), 'not_utf8'],
  [
    'gzip twice, said twice',
    ok(twice(Buffer.from(text)), { 'content-encoding': 'gzip, gzip' }),
    'decompress',
  ],
  ['two headers of codings', ok(text, { 'content-encoding': ['gzip', 'br'] }), 'decompress'],
  ['gzip that is none', ok(better, { 'content-encoding': 'gzip' }), 'decompress'],
  ['gzip cut short', ok(zlib.gzipSync(text).subarray(0, 40), { 'content-encoding': 'gzip' }), 'decompress'],
  ['an unknown coding', ok(better, { 'content-encoding': 'zstd' }), 'decompress'],
];

const statuses: readonly Case[] = [
  ...([204, 205, 206, 300, 400, 402, 418, 451, 599] as const).map((code): Case => [
    `${code}`,
    status(code, {}, code < 206 ? '' : better),
    code === 599 ? 'http_5xx' : 'http_other',
  ]),
  ...([401, 403, 404, 410, 429] as const).map((code): Case => [
    `${code}`,
    status(code, {}, better),
    `http_${code}`,
  ]),
  ...([408, 425, 500, 502, 503, 504] as const).map((code): Case => [
    `${code}`,
    status(code, {}, better),
    'http_5xx',
  ]),
  ['503 that asks for an hour', status(503, { 'retry-after': '3600' }), 'http_5xx'],
  ['304 nobody asked for', status(304), 'http_other'],
  [
    'a hint before the set',
    raw(`HTTP/1.1 103 Early Hints\r\n\r\n${json}Content-Length: ${length}\r\n\r\n${text}`),
    'taken',
  ],
  ['another protocol', raw('SSH-2.0-OpenSSH_9.6\r\n'), 'http_other'],
  ['a body without headers', raw(text), 'http_other'],
  ['headers of 1 MB', raw(`${json}X: ${'a'.repeat(1_000_000)}\r\n\r\n`), 'too_large'],
  ['a reset', reset(), 'reset'],
];

/** A redirect that the next request, at its target, finds gone. */
const onward = (location: string, code: number): Handler => {
  return (request, response) => {
    const [, , ...rest] = (request.url ?? '').split('/');
    if (rest.join('/') === 'moved') ok(better)(request, response);
    else redirect(location, code)(request, response);
  };
};

const redirects: readonly Case[] = [
  ...([301, 302, 303, 307, 308] as const).map((code): Case => [
    `${code} within the host`,
    onward('moved', code),
    'taken',
  ]),
  ['a redirect without a target', status(302), 'redirect_blocked'],
  ['a redirect to itself', redirect(''), 'redirect_blocked'],
  ['redirects without end', redirect('jwks.json'), 'redirect_blocked'],
  ['a redirect to another host', redirect('http://localhost:1/jwks.json'), 'redirect_blocked'],
  ['a redirect to a file', redirect('file:///etc/passwd'), 'redirect_blocked'],
  [
    'a redirect to a metadata service',
    redirect('http://169.254.169.254/latest/meta-data'),
    'address_blocked',
    { allowRedirectHosts: ['169.254.169.254'], allowInsecureHttp: true },
  ],
  [
    'a redirect to this host under a number',
    redirect('http://0:1/'),
    'address_blocked',
    { allowRedirectHosts: ['0.0.0.0:1'], allowInsecureHttp: true },
  ],
];

const table = Object.entries({
  body: bodies,
  length: lengths,
  coding: codings,
  status: statuses,
  redirect: redirects,
}).flatMap(([family, rows]) =>
  rows.map(([title, handler, expected, source = {}], index) => ({
    title: `${family}: ${title}`,
    name: `${family}${index}`,
    handler,
    expected,
    source,
  })),
);

/** Has keys when the upstreams turn bad. */
let warm: Rig;
/** Starts when they are bad already. */
let cold: Rig;

beforeAll(async () => {
  const misbehave = ({ upstreams }: Rig): void => {
    for (const { name, handler } of table) upstreams.set(name, handler);
  };
  [warm, cold] = await Promise.all([
    startRig(table, { first: ok(good) }),
    startRig(table, {
      before: (upstreams) => table.forEach(({ name, handler }) => upstreams.set(name, handler)),
    }),
  ]);
  await warm.jwksd.all('FRESH');
  misbehave(warm);
  for (const { name } of table) await warm.jwksd.refresh(name);
}, 30_000);

afterAll(async () => {
  await warm[Symbol.asyncDispose]();
  await cold[Symbol.asyncDispose]();
});

describe('with keys in hand', () => {
  test.each(table)('$title: $expected', async ({ name, expected }) => {
    const { jwksd } = warm;
    if (expected === 'taken') {
      await jwksd.publishes(name, ['good', 'better']);
      expect(await jwksd.source(name)).toMatchObject({ state: 'FRESH', lastError: null });
      return;
    }
    const source = await jwksd.until(name, ({ lastError }) => lastError !== null);
    expect(source.lastError?.code).toBe(expected);
    expect(source.state).toBe('STALE');
    expect(await jwksd.kids(name)).toEqual(['good']);
    const fetches = `jwksd_upstream_fetch_total{source="${name}",result="${expected}"}`;
    expect(await jwksd.metric(fetches)).toBeGreaterThanOrEqual(1);
    expect(await jwksd.metric(`jwksd_upstream_state{source="${name}",state="STALE"}`)).toBe(1);
  });

  test('all of that leaves the server ready, and its log without an error', async () => {
    expect(await warm.jwksd.isReady()).toBe(true);
    expect(warm.jwksd.server.log().filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });
});

describe('from the start', () => {
  test.each(table)('$title: $expected', async ({ name, expected }) => {
    const { jwksd } = cold;
    if (expected === 'taken') return await jwksd.publishes(name, ['good', 'better']);
    const source = await jwksd.until(name, ({ lastError }) => lastError !== null);
    expect(source).toMatchObject({ state: 'DOWN', keys: 0, lastError: { code: expected } });
    expect(await jwksd.kids(name)).toBe(503);
    return undefined;
  });

  test('and all of it is mended by the first good answer', async () => {
    const { jwksd, upstreams } = cold;
    expect(await jwksd.isReady()).toBe(false);
    for (const { name } of table) upstreams.set(name, ok(better));
    for (const { name } of table) await jwksd.refresh(name);
    await jwksd.all('FRESH');
    for (const { name } of table) await jwksd.publishes(name, ['good', 'better']);
    expect(await jwksd.isReady()).toBe(true);
  });
});

test('bomb after bomb leaves no memory behind', async () => {
  const { jwksd, upstreams } = warm;
  const name = table[0]?.name ?? '';
  const memory = async (): Promise<number> => await jwksd.metric('process_resident_memory_bytes');
  upstreams.set(name, ok(good));
  await jwksd.driven(name, 'FRESH');
  const [gzip, brotli] = [bomb('gzip', 50_000_000), bomb('br', 50_000_000)];
  const wave = async (): Promise<void> => {
    upstreams.set(name, sequence(...Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? gzip : brotli))));
    for (let n = 0; n < 20; n += 1) await jwksd.refreshed(name);
  };
  // What the first wave makes the runtime take, it keeps and uses again: a leak shows in the second.
  await wave();
  const before = await memory();
  await wave();
  expect(await jwksd.source(name)).toMatchObject({ state: 'STALE', lastError: { code: 'too_large' } });
  expect((await memory()) - before).toBeLessThan(48 * 1024 * 1024);
  expect(await jwksd.kids(name)).toEqual(['good']);
});
