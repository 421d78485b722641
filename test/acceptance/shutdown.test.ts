import { Agent } from 'node:http';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, startJwksd, temporaryDirectory, type Running } from '../fakes/jwksd.ts';
import { FakeUpstream, hang, ok } from '../fakes/upstream.ts';
import { connect, exchangeOn, get, ready } from './client.ts';
import { digestOf, makeSigner, setOf } from './signer.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
const documents = ['/.well-known/jwks.json', '/sets/default/jwks.json'];

beforeAll(async () => {
  directory = await temporaryDirectory();
  const signer = await makeSigner();
  await writeFile(path.join(directory.path, 'key.json'), JSON.stringify(signer.jwk));
  documents.push(`/certs/${digestOf(signer.kid)}.pem`);
});

afterAll(async () => {
  await directory[Symbol.asyncDispose]();
});

const startWith = async (delay: string, grace = '5s'): Promise<Running> =>
  await startJwksd(['--keys', directory.path], {
    env: { JWKSD_SHUTDOWN__DELAY: delay, JWKSD_SHUTDOWN__GRACE: grace },
  });

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

interface Load {
  readonly statuses: number[];
  /** Of requests that failed: the error, and whether their connection had served a request before. */
  readonly failures: { readonly code: string; readonly reused: boolean }[];
  /** Resolves when every client has given up or was told to. */
  readonly done: Promise<unknown>;
}

/** Eight clients on kept connections, each of which asks until `going` says no or nobody listens any more. */
const load = (server: Running, going: () => boolean): Load => {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const statuses: number[] = [];
  const failures: { code: string; reused: boolean }[] = [];
  const client = async (n: number): Promise<void> => {
    for (let i = n; going(); i += 1) {
      try {
        const { status } = await get(`${server.url}${documents[i % documents.length]}`, { agent });
        statuses.push(status);
      } catch (error) {
        const code = codeOf(error);
        failures.push({ code, reused: (error as { reused: boolean }).reused });
        // Nobody listens: a request was never sent.
        if (code === 'ECONNREFUSED') return;
      }
    }
  };
  const done = Promise.all(Array.from({ length: 8 }, async (_, n) => await client(n))).finally(() =>
    agent.destroy(),
  );
  return { statuses, failures, done };
};

describe('SIGTERM', () => {
  test('fails no request of a balancer that looks at readiness', async () => {
    await using server = await startWith('1s');
    let isReady = true;
    const { statuses, failures, done } = load(server, () => isReady);
    await eventually(() => statuses.length > 50 || undefined);

    const sent = performance.now();
    server.kill('SIGTERM');
    const { status, text } = await eventually(async () => {
      const answer = await get(`${server.url}/readyz`);
      return answer.status === 200 ? undefined : answer;
    });
    expect(status).toBe(503);
    expect(text).toContain('shutting down');
    // Live, and answering as before, until the balancer has noticed.
    expect((await get(`${server.url}/livez`)).status).toBe(200);
    expect((await get(`${server.opsUrl}/readyz`)).status).toBe(503);
    const before = statuses.length;
    await eventually(() => statuses.length > before + 50 || undefined);
    isReady = false;
    await done;

    expect(await server.exited).toBe(0);
    const took = performance.now() - sent;
    expect(took).toBeGreaterThanOrEqual(990);
    expect(took).toBeLessThan(6000);
    expect(failures).toEqual([]);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  test('answers every request of clients that know nothing, until it listens no more', async () => {
    await using server = await startWith('0s');
    const { statuses, failures, done } = load(server, () => true);
    await eventually(() => statuses.length > 50 || undefined);
    server.kill('SIGTERM');
    await done;
    expect(await server.exited).toBe(0);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(failures.filter(({ code }) => code === 'ECONNREFUSED')).toHaveLength(8);
    // What the kernel had accepted for us and we had not, it resets. No other request that was sent fails.
    const others = failures.filter(({ code }) => code !== 'ECONNREFUSED');
    expect(others).toEqual(others.map(() => ({ code: 'ECONNRESET', reused: false })));
    expect(others.length).toBeLessThan(16);
  });

  // The answer must be asked for within half a second, which a busy machine may miss.
  test('answers on connections that were open before the listener closed', { retry: 2 }, async () => {
    await using server = await startWith('0s');
    const socket = await connect(server.port);
    await get(`${server.url}/livez`);
    server.kill('SIGTERM');
    await eventually(async () => {
      const probe = await connect(server.port).catch(codeOf);
      if (probe === 'ECONNREFUSED') return true;
      if (typeof probe !== 'string') probe.destroy();
      return undefined;
    });
    const received = await exchangeOn(socket, `GET ${documents[0]} HTTP/1.1\r\nHost: keys\r\n\r\n`);
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n/u);
    expect(received).toMatch(/\r\nconnection: close\r\n/iu);
    expect(await server.exited).toBe(0);
  });

  test('says on every kept connection that it closes', async () => {
    await using server = await startWith('60s');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = async () => await get(`${server.url}${documents[0]}`, { agent });
    expect((await ask()).headers.connection).toBe('keep-alive');
    server.kill('SIGTERM');
    await eventually(async () => ((await ask()).headers.connection === 'close' ? true : undefined));
    agent.destroy();
  });

  test('does not wait for idle connections', async () => {
    await using server = await startWith('0s', '30s');
    const silent = await connect(server.port);
    const idle = new Agent({ keepAlive: true });
    await get(`${server.url}/livez`, { agent: idle });
    const sent = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - sent).toBeLessThan(10_000);
    idle.destroy();
    silent.destroy();
  });

  test('waits for half a request no longer than `grace`', async () => {
    await using server = await startWith('0s', '1s');
    const half = await connect(server.port);
    half.write('GET /livez HTTP/1.1\r\nHost: x\r\n');
    const sent = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - sent).toBeLessThan(8000);
    half.destroy();
  });

  test('lets a request that waits for a refresh on demand end with its own answer', async () => {
    const signer = await makeSigner();
    await using upstream = await FakeUpstream.start({ handler: ok(setOf(signer)) });
    await using state = await temporaryDirectory();
    await using server = await startJwksd(['--upstream', upstream.url().href], { cwd: state.path });
    await ready(server);
    upstream.handler = hang();
    const asked = upstream.requests.length;
    const answer = get(`${server.url}/certs/${digestOf('unknown')}.pem`);
    await eventually(() => upstream.requests.length > asked || undefined);
    server.kill('SIGTERM');
    const { status, text } = await answer;
    expect([status, text]).toEqual([404, expect.stringMatching(/^[^\n]+\n$/u)]);
    expect(await server.exited).toBe(0);
  });
});

test('SIGINT ends the same way', async () => {
  await using server = await startWith('0s');
  server.kill('SIGINT');
  expect(await server.exited).toBe(0);
});

test('a second signal ends at once, with 1', async () => {
  await using server = await startWith('60s');
  server.kill('SIGTERM');
  await eventually(async () => ((await get(`${server.url}/readyz`)).status === 503 ? true : undefined));
  const sent = performance.now();
  server.kill('SIGTERM');
  expect(await server.exited).toBe(1);
  expect(performance.now() - sent).toBeLessThan(5000);
});
