import { Agent } from 'node:http';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { eventually, startJwksd, temporaryDirectory, type Running } from '../fakes/jwksd.ts';
import { byPath, delayed, FakeUpstream, ok, status } from '../fakes/upstream.ts';
import { get, kidsAt, ready, type Answer } from './client.ts';
import { digestOf, makeSigner, setOf } from './signer.ts';

/** A configuration file that a test writes again and again, and the server that reads it. */
const startWith = async (text: string) => {
  const directory = await temporaryDirectory();
  const file = path.join(directory.path, 'jwksd.yaml');
  await writeFile(file, text);
  const server = await startJwksd(['--config', file], { cwd: directory.path });
  return {
    server,
    /** Writes `next` and resolves with the line of the log that tells how its reload ended. */
    reload: async (next: string): Promise<string> => {
      await writeFile(file, next);
      const count = reloads(server).length;
      server.kill('SIGHUP');
      return await eventually(() => reloads(server)[count]);
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
};

const reloads = (server: Running): string[] =>
  server
    .log()
    .map(({ msg }) => String(msg))
    .filter((msg) => /configuration (reloaded|was not reloaded)/u.test(msg));

const jwks = (url: URL, more = ''): string => `{ type: jwks, url: "${url.href}"${more} }`;

test('SIGHUP publishes a new set and takes a removed one away with its keys', async () => {
  const [one, two] = [await makeSigner(), await makeSigner()];
  await using upstream = await FakeUpstream.start({
    handler: byPath({ '/one': ok(setOf(one)), '/two': ok(setOf(two)) }),
  });
  const sources = {
    one: `  one: ${jwks(upstream.url('/one'))}\n`,
    two: `  two: ${jwks(upstream.url('/two'))}\n`,
  };
  const state = 'state: { dir: null }\n';
  await using running = await startWith(
    `${state}sources:\n${sources.one}sets:\n  default: { sources: [one] }\n`,
  );
  const { server, reload } = running;
  await ready(server);

  const both = `${state}sources:\n${sources.one}${sources.two}sets:
  default: { sources: [one] }
  second: { sources: [two], pem: { paths: [/second] } }
`;
  expect(await reload(both)).toBe('configuration reloaded');
  expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual([one.kid]);
  expect(await kidsAt(`${server.url}/sets/second/jwks.json`)).toEqual([two.kid]);
  expect((await get(`${server.url}/second/${digestOf(two.kid)}.pem`)).status).toBe(200);
  // What did not change was not asked again.
  expect(upstream.requests.filter(({ url }) => url === '/one')).toHaveLength(1);

  const second = `${state}sources:\n${sources.two}sets:\n  default: { sources: [two] }\n`;
  expect(await reload(second)).toBe('configuration reloaded');
  expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual([two.kid]);
  const gone = await Promise.all(
    ['/sets/second/jwks.json', `/second/${digestOf(two.kid)}.pem`, `/${digestOf(one.kid)}.pem`].map(
      async (name) => (await get(`${server.url}${name}`)).status,
    ),
  );
  expect(gone).toEqual([404, 404, 404]);
  expect((await get(`${server.opsUrl}/status`)).text).not.toContain(one.kid);
  expect((await get(`${server.opsUrl}/metrics`)).text).not.toContain('source="one"');
});

test('SIGHUP with a bad file changes nothing and tells every problem, and the next good one is taken', async () => {
  const [one, two] = [await makeSigner(), await makeSigner()];
  await using upstream = await FakeUpstream.start({
    handler: byPath({ '/one': ok(setOf(one)), '/two': ok(setOf(two)) }),
  });
  const good = (name: 'one' | 'two'): string =>
    `state: { dir: null }\nsources:\n  idp: ${jwks(upstream.url(`/${name}`))}\n`;
  await using running = await startWith(good('one'));
  const { server, reload } = running;
  await ready(server);
  const before = await get(`${server.url}/.well-known/jwks.json`);

  for (const [bad, problems] of [
    ['sources: { idp: { type: jwks, ulr: x } }\nserver: { prot: 1 }\n', ['sources.idp.ulr', 'server.prot']],
    ['sources: [\n', ['jwksd.yaml']],
    ['', ['source']],
  ] as const) {
    const told = await reload(bad);
    expect(told).toMatch(/not reloaded, the running one stays/u);
    for (const problem of problems) expect(told).toContain(problem);
    const after = await get(`${server.url}/.well-known/jwks.json`);
    expect([after.status, after.headers.etag]).toEqual([200, before.headers.etag]);
  }
  expect(await reload(good('two'))).toBe('configuration reloaded');
  expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual([two.kid]);
});

test('SIGHUP with what needs a restart says so and applies the rest', async () => {
  const one = await makeSigner();
  await using upstream = await FakeUpstream.start({ handler: ok(setOf(one)) });
  const file = `state: { dir: null }\nsources:\n  idp: ${jwks(upstream.url())}\n`;
  await using running = await startWith(file);
  const { server, reload } = running;
  await ready(server);
  await reload(`${file}cors: { origins: ["https://app.example.org"] }\nlog: { level: debug }\n`);
  expect(server.log().find(({ sections }) => sections !== undefined)).toMatchObject({
    level: 40,
    sections: ['cors'],
  });
  // The level is among what is applied.
  expect(server.log().some(({ level }) => level === 20)).toBe(true);
  const { headers } = await get(`${server.url}/.well-known/jwks.json`);
  expect(headers['access-control-allow-origin']).toBe('*');
});

/** Asks for these paths again and again on open connections until stopped; resolves with every answer. */
const hammer = (server: Running, paths: readonly string[]) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const stopping = new AbortController();
  const answers: Answer[] = [];
  const workers = Array.from({ length: 4 }, async (_, n) => {
    for (let i = n; !stopping.signal.aborted; i += 1) {
      answers.push(await get(`${server.url}${paths[i % paths.length]}`, { agent }));
    }
  });
  return async (): Promise<readonly Answer[]> => {
    stopping.abort();
    await Promise.all(workers);
    agent.destroy();
    return answers;
  };
};

test('a reload without the source that the running registration needs changes nothing and says so', async () => {
  const one = await makeSigner();
  await using upstream = await FakeUpstream.start({ handler: ok(setOf(one)) });
  const file = (source: string): string => `state: { dir: null }
sources:
  ${source}: ${jwks(upstream.url())}
registration:
  accessToken: { jwt: { issuer: https://sso.example.org, source: ${source}, audience: jwksd } }
  proof: cas
  store: { type: memory }
`;
  await using running = await startWith(file('idp'));
  const { server, reload } = running;
  await ready(server);
  expect(await reload(file('other'))).toMatch(
    /not reloaded.*registration runs with the source "idp".*restart/u,
  );
  expect(await reload(file('idp'))).toBe('configuration reloaded');
});

test('a reload that replaces every source has no moment without keys', async () => {
  const signers = [await makeSigner('ES256', 'old'), await makeSigner('ES256', 'new')];
  const kept = await makeSigner('ES256', 'kept');
  await using upstream = await FakeUpstream.start({
    handler: byPath({
      '/0': ok(setOf(signers[0]!, kept)),
      // Long enough to be seen, if anything were published meanwhile.
      '/1': delayed(300, ok(setOf(signers[1]!, kept))),
      '/2': status(500),
    }),
  });
  const file = (n: number): string =>
    `state: { dir: null }\nsources:\n  idp: ${jwks(upstream.url(`/${n}`))}\n`;
  await using running = await startWith(file(0));
  const { server, reload } = running;
  await ready(server);

  const stop = hammer(server, ['/.well-known/jwks.json', `/certs/${digestOf('kept')}.pem`, '/readyz']);
  for (const n of [1, 0, 1, 0]) expect(await reload(file(n))).toBe('configuration reloaded');
  const answers = await stop();

  expect(answers.length).toBeGreaterThan(50);
  expect(answers.filter(({ status: code }) => code !== 200)).toEqual([]);
  const sets = new Set(answers.map(({ text }) => text).filter((text) => text.startsWith('{"keys"')));
  const kids = [...sets].map((text) =>
    (JSON.parse(text) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid).join(' '),
  );
  // Each answer is one of the two documents, never a mixture and never a part.
  expect(new Set(kids)).toEqual(new Set(['new kept', 'old kept']));
});

test('signals in quick succession end in the last configuration', async () => {
  const signers = [await makeSigner(), await makeSigner()];
  await using upstream = await FakeUpstream.start({
    handler: byPath({ '/0': delayed(200, ok(setOf(signers[0]!))), '/1': ok(setOf(signers[1]!)) }),
  });
  await using directory = await temporaryDirectory();
  const file = path.join(directory.path, 'jwksd.yaml');
  const write = async (n: number): Promise<void> =>
    await writeFile(file, `state: { dir: null }\nsources:\n  idp: ${jwks(upstream.url(`/${n}`))}\n`);
  await write(1);
  await using server = await startJwksd(['--config', file]);
  await ready(server);
  await write(0);
  for (let n = 0; n < 10; n += 1) server.kill('SIGHUP');
  await eventually(() => upstream.requests.find(({ url }) => url === '/0'));
  await write(1);
  for (let n = 0; n < 10; n += 1) server.kill('SIGHUP');
  await eventually(() => (reloads(server).length >= 2 ? true : undefined));
  await eventually(
    async () => (await kidsAt(`${server.url}/.well-known/jwks.json`))[0] === signers[1]!.kid || undefined,
  );
  expect((await get(`${server.url}/readyz`)).status).toBe(200);
});

test('a reload that changes the options of an upstream keeps its keys while it is down, without any file', async () => {
  const signer = await makeSigner();
  await using upstream = await FakeUpstream.start({ handler: ok(setOf(signer)) });
  const config = (more: string): string =>
    `state: { dir: null }\nsources:\n  one: ${jwks(upstream.url(), more)}\nsets:\n  default: { sources: [one] }\n`;
  await using running = await startWith(config(''));
  const { server, reload } = running;
  await ready(server);
  upstream.handler = status(500);
  expect(await reload(config(', removalConfirm: 10s'))).toBe('configuration reloaded');
  expect(await kidsAt(`${server.url}/.well-known/jwks.json`)).toEqual([signer.kid]);
});

test('a reload that changes whose keys verify whose tokens changes nothing and says so', async () => {
  const [one, two] = [await makeSigner(), await makeSigner()];
  await using a = await FakeUpstream.start({ handler: ok(setOf(one)) });
  await using b = await FakeUpstream.start({ handler: ok(setOf(two)) });
  const file = (first: string, second: string): string => `state: { dir: null }
sources:
  a: ${jwks(a.url())}
  b: ${jwks(b.url())}
sets:
  one: { sources: [${first}] }
  two: { sources: [${second}] }
validation:
  issuers:
    a: { issuer: https://a.example, set: ${first === 'a' ? 'one' : 'two'} }
    b: { issuer: https://b.example, set: ${first === 'a' ? 'two' : 'one'} }
`;
  await using running = await startWith(file('a', 'b'));
  const { server, reload } = running;
  await ready(server);
  expect(await reload(file('b', 'a'))).toMatch(/not reloaded.*validation changed.*restart/u);
  expect(await kidsAt(`${server.url}/sets/one/jwks.json`)).toEqual([one.kid]);
});
