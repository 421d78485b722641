import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { doctor } from '../../../src/cli/doctor/doctor.ts';
import { ask, type Answer } from '../../../src/cli/doctor/ask.ts';
import { clientIds, type ClientId } from '../../../src/cli/doctor/model.ts';
import { octoka } from '../../../src/cli/doctor/octoka.ts';
import { opencast19 } from '../../../src/cli/doctor/opencast19.ts';
import { refreshAfter } from '../../../src/cli/doctor/jitsi.ts';
import { digestOf, makeSigner, setOf } from '../../acceptance/signer.ts';
import { ManualClock, until } from '../../fakes/clock.ts';
import { cutOff, FakeUpstream, hang, ok, redirect, reset, type Handler } from '../../fakes/upstream.ts';
import { run } from '../world.ts';

const signer = await makeSigner('RS256');

/** Runs the command on a clock that stands still until the test moves it. */
const onManualClock = async (handler: Handler, id: ClientId) => {
  const upstream = await FakeUpstream.start({ handler });
  const clock = new ManualClock();
  let stdout = '';
  const parsed = { options: { as: id, json: true }, operands: [upstream.url().href] };
  const io = { stdout: { write: (text: string) => (stdout += text) }, stderr: { write: () => true } };
  let code: number | undefined;
  const ended = doctor(parsed, { ...io, stdin: process.stdin, env: {}, cwd: '/' }, clock).then(
    (value) => (code = value),
  );
  return { upstream, clock, ended, code: () => code, stdout: () => stdout };
};

const rawHeadersOf = async (id: ClientId): Promise<readonly string[]> => {
  const seen: IncomingMessage[] = [];
  await using upstream = await FakeUpstream.start({
    handler: (request, response) => {
      seen.push(request);
      ok(setOf(signer))(request, response);
    },
  });
  await run(['doctor', upstream.url().href, '--as', id]);
  expect(seen[0]?.method).toBe('GET');
  expect(seen[0]?.httpVersion).toBe('1.1');
  return (seen[0]?.rawHeaders ?? []).filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
};

const answered = async (handler: Handler, id: ClientId): Promise<string> => {
  await using upstream = await FakeUpstream.start({ handler });
  const { code, stdout } = await run(['doctor', upstream.url().href, '--as', id]);
  expect(code).toBe(1);
  return stdout;
};

const stops: Handler = (_request, response) => void response.writeHead(200).write('{"keys":');

describe('what is sent', () => {
  test.each([
    ['octoka@1.2', ['host']],
    ['octoka@1.3', ['host']],
    ['opencast@18', ['host', 'accept', 'user-agent', 'connection']],
    ['opencast@19', ['host', 'user-agent', 'accept', 'connection']],
    ['jitsi@set', ['host', 'user-agent']],
    ['generic', ['host', 'accept', 'user-agent', 'accept-encoding', 'origin']],
  ] as const)('%s sends these headers and no others', async (id, names) => {
    expect(await rawHeadersOf(id)).toEqual(names);
  });

  test('one answer serves both versions of Octoka, and nobody is asked twice', async () => {
    await using upstream = await FakeUpstream.start({ handler: ok(setOf(signer)) });
    await run(['doctor', upstream.url().href, '--as', 'octoka']);
    expect(upstream.requests).toHaveLength(1);
  });

  test('Prosody asks for the digest of the kid, with one slash and with two', async () => {
    await using upstream = await FakeUpstream.start();
    await run(['doctor', upstream.url('/certs/').href, '--as', 'jitsi@pem', '--kid', signer.kid]);
    const digest = digestOf(signer.kid);
    expect(upstream.requests.map(({ url }) => url)).toEqual([
      '/certs/',
      `/certs/${digest}.pem`,
      `/certs//${digest}.pem`,
    ]);
  });
});

describe('a URL that never answers', () => {
  test.each([
    ['octoka@1.2', 2500, 'could not verify JWT in time'],
    ['opencast@18', 30_000, 'nothing: it waits without limit, and so does the login'],
    [
      'opencast@19',
      500,
      "Error while loading from JWKS cache: Couldn't retrieve JWK set from URL: Read timed out",
    ],
    ['jitsi@set', 30_000, 'Timeout 30 seconds making the external call to: '],
    ['generic', 5000, 'request timed out'],
  ] as const)('ends for %s after its own %i ms, in its words', async (id, ms, words) => {
    const { upstream, clock, ended, code, stdout } = await onManualClock(hang(), id);
    await until(() => upstream.requests.length === 1);
    // The answer's first byte is waited for from here on, or from the start.
    await clock.advance(ms - 1);
    expect(code()).toBeUndefined();
    await clock.advance(1);
    await ended;
    expect(code()).toBe(1);
    expect(stdout()).toContain(words);
    expect(clock.pending).toBe(0);
    await upstream.close();
  });

  test('is one that stops in the middle of the body, for Opencast 19', async () => {
    const { upstream, clock, ended, code } = await onManualClock(stops, 'opencast@19');
    await until(() => upstream.requests.length === 1);
    await clock.advance(500);
    await ended;
    expect(code()).toBe(1);
    await upstream.close();
  });
});

describe('an answer that is none', () => {
  test('is told in the words of each client', async () => {
    expect(await answered(reset(), 'opencast@19')).toContain(
      "Couldn't retrieve JWK set from URL: Unexpected end of file from server",
    );
    expect(await answered(reset(), 'octoka@1.2')).toContain('Error fetching JWKS: failed to fetch JWKS');
    expect(await answered(cutOff(setOf(signer)), 'octoka@1.2')).toContain(
      'failed to download HTTP body of JWKS',
    );
    expect(await answered(cutOff(setOf(signer)), 'opencast@19')).toContain('Unable to parse JWK set');
  });

  test('a port where nobody listens is refused, and not waited for', async () => {
    const upstream = await FakeUpstream.start();
    const { href } = upstream.url();
    await upstream.close();
    const { code, stdout } = await run(['doctor', href]);
    expect(code).toBe(1);
    expect(stdout).toContain(
      'Error while loading from JWKS cache: com.auth0.jwk.NetworkException: Cannot obtain jwks from url',
    );
    expect(stdout).toContain('Error on GET request: Code 0');
  });

  test('redirects are followed only as far as a client goes, and never in a circle', async () => {
    await using upstream = await FakeUpstream.start({ handler: redirect('/jwks.json') });
    const { code } = await run(['doctor', upstream.url().href, '--as', 'opencast@19']);
    expect(code).toBe(1);
    expect(upstream.requests).toHaveLength(21);
  });

  test('Opencast reads 51,199 bytes and not one more', async () => {
    const text = JSON.stringify(setOf(signer));
    await using upstream = await FakeUpstream.start({ handler: ok(text.padEnd(51_199)) });
    const fits = await ask(upstream.url(), opencast19.manner, new ManualClock());
    expect(fits).toMatchObject({ ok: true });
    upstream.handler = ok(text.padEnd(51_200));
    expect(await ask(upstream.url(), opencast19.manner, new ManualClock())).toMatchObject({
      ok: false,
      reason: 'too-large',
    });
  });
});

describe('the parts without a network', () => {
  const answer: Answer = {
    ok: true,
    status: 200,
    headers: {},
    body: Buffer.from('{"keys":[]}'),
    cut: false,
    url: '',
    redirects: [],
    milliseconds: 0,
    wall: 0,
  };

  test.each([
    ['http://keys.example.org/', true],
    ['http://[::1]:8080/', true],
    ['http://a.localhost/', true],
    ['http://localhost:8080/', false],
    ['http://127.0.0.9/', false],
    ['https://keys.example.org/', false],
  ])('Octoka and %s: refused %s', (url, refused) => {
    const { notes } = octoka('1.2').judge(answer, new URL(url));
    expect(notes.some(({ code }) => code === 'plain-http')).toBe(refused);
    expect(notes.some(({ says }) => says?.text === 'must use HTTPS')).toBe(refused);
  });

  test.each([
    ['max-age=300', 240],
    ['public, max-age=61, stale-while-revalidate=60', 1],
    ['max-age=60', 60],
    ['max-age=0', 0],
    ['max-age=119', 59],
    ['no-store', undefined],
    [undefined, undefined],
    ['s-maxage=5', undefined],
  ])('Prosody takes its interval from %j: %s', (header, seconds) => {
    expect(refreshAfter(header)).toBe(seconds);
  });

  test('every client can be named, and a typing error is answered with the nearest', async () => {
    expect(clientIds).toHaveLength(10);
    const { code, stderr } = await run(['doctor', 'http://127.0.0.1:1/', '--as', 'octika']);
    expect(code).toBe(2);
    expect(stderr).toContain('octoka');
  });

  test.each([
    [['doctor'], 'one URL'],
    [['doctor', 'http://a/', 'http://b/'], 'one URL'],
    [['doctor', 'jwks.json'], 'jwks lint'],
    [['doctor', 'ftp://a/'], 'not an http'],
    [['doctor', 'http://me:secret@a/'], 'user name'],
    [['doctor', 'http://127.0.0.1:1/', '--token', 'a.b'], 'token'],
  ])('%j is refused with the way out', async (argv, words) => {
    const { code, stdout, stderr } = await run(argv);
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toContain(words);
    expect(stderr).not.toContain('secret');
  });
});
