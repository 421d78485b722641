import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AccessOutcome } from '../../src/tokens/access-token.ts';
import { Introspection } from '../../src/tokens/introspection-client.ts';
import { ManualClock, settle, until } from '../fakes/clock.ts';
import {
  bomb,
  cutOff,
  drip,
  encoded,
  FakeUpstream,
  hang,
  ok,
  raw,
  redirect,
  reset,
  status,
  type Handler,
} from '../fakes/upstream.ts';

const scope = 'client_jwks_registration_scope';
const token = 'opaque token/+&=%';
const active = { active: true, client_id: 'app', scope: `openid ${scope}` };

let server: FakeUpstream;
let directory: string;
let secretFile: string;
let clock: ManualClock;
beforeAll(async () => {
  server = await FakeUpstream.start();
  directory = await mkdtemp(path.join(tmpdir(), 'jwksd-introspection-'));
  secretFile = path.join(directory, 'secret');
});
beforeEach(async () => {
  clock = new ManualClock();
  await writeFile(secretFile, 'pass word:1\n');
});
afterEach(async () => {
  expect(clock.pending).toBe(0);
  await until(() => server.connections === 0);
});
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

const ask = async (text = token, odd: { url?: string; clientId?: string } = {}): Promise<AccessOutcome> =>
  await new Introspection({
    clock,
    url: server.url('/introspect').href,
    clientId: 'jwksd',
    clientSecretFile: secretFile,
    scope,
    ...odd,
  }).judge(text);

/** `error code` of a refusal, `ok` of a grant; neither token nor secret is ever told. */
const verdict = async (handler: Handler, text = token): Promise<string> => {
  server.handler = handler;
  const outcome = await ask(text);
  if (outcome.ok) return 'ok';
  for (const secret of [token, 'pass', 'cGFzc']) expect(JSON.stringify(outcome)).not.toContain(secret);
  return `${outcome.error} ${outcome.code}`;
};
const out = 'unavailable introspection_unavailable';

describe('a token that is asked about', () => {
  test('is posted as a form, with the credentials of jwksd as RFC 6749 §2.3.1 writes them', async () => {
    let body = '';
    let seen: IncomingMessage | undefined;
    server.handler = (request, response) => {
      seen = request;
      request.on('data', (chunk: Buffer) => void (body += chunk.toString()));
      request.on('end', () => ok(active)(request, response));
    };
    expect(await ask(token, { clientId: 'jwk:s d' })).toEqual({
      ok: true,
      clientId: 'app',
      scopes: ['openid', scope],
    });
    expect(seen?.method).toBe('POST');
    expect(seen?.headers).toMatchObject({
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${Buffer.from('jwk%3As+d:pass+word%3A1').toString('base64')}`,
    });
    expect(Object.fromEntries(new URLSearchParams(body))).toEqual({ token, token_type_hint: 'access_token' });
  });

  test('is asked about with the secret the file has at that time', async () => {
    server.handler = ok(active);
    const sent = async (): Promise<string> => {
      await ask();
      const basic = server.requests.at(-1)?.headers.authorization?.slice('Basic '.length) ?? '';
      return Buffer.from(basic, 'base64').toString();
    };
    expect(await sent()).toBe('jwksd:pass+word%3A1');
    await writeFile(secretFile, 'next\r\n');
    expect(await sent()).toBe('jwksd:next');
  });

  test('is asked about anew every time, so a withdrawn one opens nothing', async () => {
    expect(await verdict(ok(active))).toBe('ok');
    expect(await verdict(ok({ active: false }))).toBe('invalid_token inactive');
  });

  test.each<[string, object]>([
    ['ok', { ...active, exp: 4_000_000_000 }],
    ['ok', { active: true, azp: 'app', scope }],
    ['invalid_token inactive', { active: false, client_id: 'app', scope }],
    ['invalid_token expired', { ...active, exp: 1 }],
    ['invalid_token no_client_id', { active: true, scope, sub: 'app', username: 'app' }],
    ['invalid_token no_client_id', { ...active, client_id: '' }],
    ['insufficient_scope insufficient_scope', { active: true, client_id: 'app' }],
    ['insufficient_scope insufficient_scope', { ...active, scope: `${scope}2 x${scope}` }],
  ])('%s: %o', async (expected, answer) => {
    expect(await verdict(ok(answer))).toBe(expected);
  });

  test('that is empty or longer than 16 KiB is refused unasked', async () => {
    const before = server.requests.length;
    for (const text of ['', 'x'.repeat(16_385)])
      expect(await verdict(ok(active), text)).toBe('invalid_token malformed');
    expect(server.requests.length).toBe(before);
  });
});

describe('no clear answer leaves open whether a token is good', () => {
  const json = JSON.stringify(active);
  test.each<[string, Handler]>([
    ['HTML', ok('<html>Sign in</html>', { 'content-type': 'text/html' })],
    ['JSON under another type', ok(active, { 'content-type': 'text/plain' })],
    ['JSON under no type', ok(active, { 'content-type': '' })],
    [
      'a signed answer nobody asked for',
      ok('a.b.c', { 'content-type': 'application/token-introspection+jwt' }),
    ],
    ['HTML that calls itself JSON', ok('<html>Sign in</html>')],
    ['nothing', ok('')],
    ['a list', ok([active])],
    ['null', ok('null')],
    ['an empty object', ok({})],
    ['active as a text', ok({ ...active, active: 'true' })],
    ['active as a number', ok({ ...active, active: 1 })],
    ['active inherited', ok(`{"__proto__":${json}}`)],
    ['active twice', ok(`{"active":false,${json.slice(1)}`)],
    ['bytes that are no text', ok(Buffer.from([0x7b, 0xff, 0x7d]))],
    ['10,000 brackets', ok(`{"active":true,"x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`)],
    ['64 KiB and more', ok({ ...active, more: 'x'.repeat(65_536) })],
    ['a body that decodes to a megabyte', bomb('gzip', 1_000_000, active)],
    ['half a body', cutOff(active)],
    ['a coding nobody knows', ok(active, { 'content-encoding': 'zstd' })],
    ['no HTTP', raw('hello\r\n\r\n')],
    ['a broken connection', reset()],
    ['204', status(204)],
    ['201 with the answer', status(201, { 'content-type': 'application/json' }, active)],
    ['400', status(400, { 'content-type': 'application/json' }, active)],
    ['401 for the secret of jwksd', status(401, { 'content-type': 'application/json' }, active)],
    ['403', status(403)],
    ['404', status(404)],
    ['429', status(429, { 'retry-after': '5' })],
    ['500', status(500, { 'content-type': 'application/json' }, active)],
    ['503', status(503)],
  ])('%s', async (_what, handler) => {
    expect(await verdict(handler)).toBe(out);
  });

  test('a redirect, which is not followed: the token goes nowhere else', async () => {
    await using elsewhere = await FakeUpstream.start({ handler: ok(active) });
    for (const code of [301, 302, 303, 307, 308]) {
      expect(await verdict(redirect(elsewhere.url('/x').href, code))).toBe(out);
    }
    expect(elsewhere.requests).toEqual([]);
  });

  test.each<[string, Handler]>([
    ['that hangs', hang()],
    ['that sends a byte now and then', drip(active, 50)],
    ['that sends headers without end', (request) => void request.socket.write('HTTP/1.1 200 OK\r\nx-a: ')],
  ])('a server %s has three seconds in all', async (_what, handler) => {
    server.handler = handler;
    const before = server.requests.length;
    let outcome: AccessOutcome | undefined;
    const asking = ask().then((value) => (outcome = value));
    await until(() => server.requests.length > before);
    await clock.advance(2999);
    expect(outcome).toBeUndefined();
    await clock.advance(1);
    await asking;
    expect(outcome).toMatchObject({ ok: false, error: 'unavailable' });
    await settle();
  });

  test('a server that is not there', async () => {
    const gone = await FakeUpstream.start();
    const url = gone.url('/introspect').href;
    await gone.close();
    expect(await ask(token, { url })).toMatchObject({ ok: false, error: 'unavailable' });
  });

  test('a secret that is not there, empty, or too large', async () => {
    const before = server.requests.length;
    server.handler = ok(active);
    for (const secret of ['', ' \n', 'x'.repeat(70_000)]) {
      await writeFile(secretFile, secret);
      expect(await ask()).toMatchObject({ ok: false, error: 'unavailable' });
    }
    await rm(secretFile);
    expect(await ask()).toMatchObject({ ok: false, error: 'unavailable' });
    expect(server.requests.length).toBe(before);
  });
});

test('an answer that is compressed unasked is read', async () => {
  expect(await verdict(encoded('gzip', active))).toBe('ok');
});
