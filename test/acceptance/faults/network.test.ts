import { readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jwks } from '../../fakes/keys.ts';
import { temporaryDirectory } from '../../fakes/jwksd.ts';
import { FakeProxy } from '../../fakes/proxy.ts';
import { FakeAuthority } from '../../fakes/tls.ts';
import { drip, FakeUpstream, hang, ok, reset, status, type Handler } from '../../fakes/upstream.ts';
import { startRig, type Rig } from './rig.ts';
import { World } from './world.ts';

const good = jwks('good');
const past = ['200101000000Z', '210101000000Z'] as const;
const future = ['480101000000Z', '490101000000Z'] as const;

/** Sends the head of an answer one byte a second. */
const drippedHead: Handler = ({ socket }) => {
  const head = Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n');
  let sent = 0;
  const timer = setInterval(() => void socket.write(head.subarray(sent, (sent += 1))), 1000);
  socket.on('close', () => clearInterval(timer));
};

const at = (host: string, { port }: { port: number }): string => `http://${host}:${port}/jwks.json`;

/**
 * An address that takes no connection and refuses none: a listener whose queue is full.
 *
 * Its thread sleeps, so nobody accepts; what comes beyond the queue is dropped by the kernel.
 */
const blackHole = async (host: string, port: number): Promise<AsyncDisposable> => {
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     const server = require('node:net').createServer();
     server.listen({ ...workerData, backlog: 1, ipv6Only: true }, () => {
       parentPort.postMessage('listening');
       setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
     });`,
    { eval: true, workerData: { host, port } },
  );
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const fill = Array.from({ length: 6 }, () => net.connect(port, host).on('error', () => undefined));
  await new Promise((resolve) => void fill[0]?.once('connect', resolve));
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of fill) socket.destroy();
      await worker.terminate();
    },
  };
};

const names = [
  'refused',
  'reset',
  'hang',
  'drip',
  'head',
  'dns',
  'hole',
  'expired',
  'early',
  'unknown',
  'name',
  'plain',
  'proxy',
  'nowhere',
  'token',
  'mixed',
  'private',
  'metadata',
] as const;
type Name = (typeof names)[number];

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let world: World;
let authority: FakeAuthority;
let secure: FakeUpstream;
let expiring: FakeUpstream;
let early: FakeUpstream;
let shared: FakeUpstream;
let proxy: FakeProxy;
let hole: AsyncDisposable;
let rig: Rig;
const file = (name: string): string => path.join(directory.path, name);

beforeAll(async () => {
  directory = await temporaryDirectory();
  world = new World(directory.path);
  authority = new FakeAuthority();
  const handler = ok(good);
  secure = await FakeUpstream.start({ tls: authority.issue(), handler });
  expiring = await FakeUpstream.start({ tls: authority.issue(past), handler });
  early = await FakeUpstream.start({ tls: authority.issue(future), handler });
  shared = await FakeUpstream.start({ handler });
  proxy = await FakeProxy.start();
  hole = await blackHole('::1', shared.port);
  await writeFile(file('ca.pem'), authority.cert);
  await writeFile(file('wrong.pem'), new FakeAuthority('another').cert);
  world.change({
    hosts: {
      'moves.localhost': ['127.0.0.1'],
      'hole.localhost': ['::1', '127.0.0.1'],
      'mixed.localhost': ['169.254.169.254', '127.0.0.1'],
      'metadata.localhost': ['169.254.169.254'],
      'private.localhost': ['127.0.0.1'],
    },
  });
  const caFile = file('ca.pem');
  const own: Partial<Record<Name, Record<string, unknown>>> = {
    refused: { url: 'http://127.0.0.1:1/jwks.json' },
    hang: { totalTimeout: '1s' },
    head: { totalTimeout: '1s' },
    drip: { totalTimeout: '2s' },
    dns: { url: at('moves.localhost', shared) },
    hole: { url: at('hole.localhost', shared) },
    expired: { url: expiring.url().href, caFile },
    early: { url: early.url().href, caFile },
    unknown: { url: secure.url().href, caFile: file('wrong.pem') },
    name: { url: `https://private.localhost:${secure.port}/jwks.json`, caFile },
    plain: { url: `https://127.0.0.1:${shared.port}/jwks.json` },
    proxy: { url: at('behind.localhost', shared), proxy: proxy.origin },
    nowhere: { proxy: 'http://127.0.0.1:1' },
    token: { bearerTokenFile: file('token') },
    mixed: { url: at('mixed.localhost', shared) },
    private: { url: at('private.localhost', shared), blockPrivateAddresses: true },
    metadata: { url: at('metadata.localhost', shared) },
  };
  proxy.target = shared.port;
  rig = await startRig(
    names.map((name) => ({ name, source: { allowInsecureHttp: true, ...own[name] } })),
    {
      first: ok(good),
      env: world.env,
      before: (upstreams) => {
        upstreams.set('reset', reset());
        upstreams.set('hang', hang());
        upstreams.set('drip', drip(good, 1000));
        upstreams.set('head', drippedHead);
        upstreams.set('token', (request, response) => {
          const known = request.headers.authorization === 'Bearer sesame';
          (known ? ok(good) : status(401))(request, response);
        });
      },
    },
  );
}, 30_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await hole[Symbol.asyncDispose]();
  await proxy.close();
  for (const server of [shared, early, expiring, secure]) await server.close();
  await directory[Symbol.asyncDispose]();
});

describe('without keys, each fault has its code', () => {
  test.each<readonly [Name, string]>([
    ['refused', 'connect'],
    ['reset', 'reset'],
    ['hang', 'timeout'],
    ['drip', 'timeout'],
    ['head', 'timeout'],
    ['expired', 'tls_cert'],
    ['early', 'tls_cert'],
    ['unknown', 'tls_cert'],
    ['name', 'tls_cert'],
    ['plain', 'tls_cert'],
    ['nowhere', 'connect'],
    ['token', 'token_file'],
    ['private', 'address_blocked'],
    ['metadata', 'address_blocked'],
  ])('%s: %s', async (name, code) => {
    const { jwksd } = rig;
    const source = await jwksd.until(name, ({ lastError }) => lastError !== null, 20_000);
    expect(source).toMatchObject({ state: 'DOWN', keys: 0, lastError: { code } });
    expect(await jwksd.kids(name)).toBe(503);
    expect(
      await jwksd.metric(`jwksd_upstream_fetch_total{source="${name}",result="${code}"}`),
    ).toBeGreaterThan(0);
  });
});

describe('what works all the same', () => {
  test('a name whose IPv6 address is a black hole', async () => {
    await rig.jwksd.until('hole', ({ state }) => state === 'FRESH');
    await rig.jwksd.publishes('hole', ['good']);
    const name = 'jwksd_upstream_fetch_duration_seconds_sum{source="hole"}';
    expect(await rig.jwksd.metric(name)).toBeLessThan(2.5);
  });

  test('a name that also has an address no upstream may have', async () => {
    await rig.jwksd.until('mixed', ({ state }) => state === 'FRESH');
  });

  test('a name only the proxy knows', async () => {
    await rig.jwksd.until('proxy', ({ state }) => state === 'FRESH');
    expect(proxy.tunnels).toContain(`behind.localhost:${shared.port}`);
  });
});

describe('mended without a restart', () => {
  test('a certificate authority on disk', async () => {
    await writeFile(file('wrong.pem'), await readFile(file('ca.pem')));
    await rig.jwksd.driven('unknown', 'FRESH');
    await rig.jwksd.publishes('unknown', ['good']);
  });

  test('a certificate authority that is damaged on disk costs no key', async () => {
    await writeFile(file('wrong.pem'), 'damaged');
    expect(await rig.jwksd.refreshed('unknown')).toMatchObject({
      state: 'STALE',
      lastError: { code: 'ca_file' },
    });
    await writeFile(file('wrong.pem'), authority.cert);
    await rig.jwksd.driven('unknown', 'FRESH');
  });

  test('certificates that had expired, or were not valid yet', async () => {
    for (const [name, server] of [
      ['expired', expiring],
      ['early', early],
    ] as const) {
      server.setCertificate(authority.issue());
      await rig.jwksd.driven(name, 'FRESH');
      await rig.jwksd.publishes(name, ['good']);
    }
  });

  test('a certificate that expires while its keys are served', async () => {
    expiring.setCertificate(authority.issue(past));
    expect(await rig.jwksd.refreshed('expired')).toMatchObject({
      state: 'STALE',
      lastError: { code: 'tls_cert' },
    });
    expect(await rig.jwksd.kids('expired')).toEqual(['good']);
    expiring.setCertificate(authority.issue());
    await rig.jwksd.driven('expired', 'FRESH');
  });

  test('a name in a certificate', async () => {
    secure.setCertificate(authority.issue(undefined, ['private.localhost']));
    await rig.jwksd.driven('name', 'FRESH');
  });

  test('a token file that is missing, then empty, then wrong, then right', async () => {
    await writeFile(file('token'), ' \n');
    expect((await rig.jwksd.refreshed('token')).lastError?.code).toBe('token_file');
    await writeFile(file('token'), 'open\n');
    expect((await rig.jwksd.refreshed('token')).lastError?.code).toBe('http_401');
    await writeFile(file('token'), 'sesame\n');
    await rig.jwksd.driven('token', 'FRESH');
    expect(rig.jwksd.server.output()).not.toContain('sesame');
  });

  test('an upstream that hung, dripped or reset', async () => {
    for (const name of ['hang', 'drip', 'head', 'reset'] as const) rig.upstreams.set(name, ok(good));
    for (const name of ['hang', 'drip', 'head', 'reset'] as const) {
      await rig.jwksd.driven(name, 'FRESH', 15_000);
      await rig.jwksd.publishes(name, ['good']);
    }
  });
});

const stale = async (name: Name, code: string): Promise<void> => {
  await rig.jwksd.refresh(name);
  const source = await rig.jwksd.until(
    name,
    ({ lastError, state }) => state === 'STALE' && lastError !== null,
  );
  expect(source.lastError?.code).toBe(code);
  expect(await rig.jwksd.kids(name)).toEqual(['good']);
};

describe('while its keys are served', () => {
  test('a name moves to another address, or is gone for a while', async () => {
    await rig.jwksd.until('dns', ({ state }) => state === 'FRESH');
    await using other = await FakeUpstream.start({
      host: '127.0.0.2',
      port: shared.port,
      handler: ok(jwks('good', 'moved')),
    });
    world.change({ hosts: { 'moves.localhost': [] } });
    await stale('dns', 'dns');
    world.change({ hosts: { 'moves.localhost': ['127.0.0.2'] } });
    await rig.jwksd.driven('dns', 'FRESH');
    await rig.jwksd.publishes('dns', ['good', 'moved']);
    expect(other.accepted).toBeGreaterThan(0);
  });

  test('a name rebinds to a metadata service', async () => {
    world.change({ hosts: { 'hole.localhost': ['169.254.169.254'] } });
    await stale('hole', 'address_blocked');
  });

  test('the proxy refuses, then is down, then back', async () => {
    proxy.refuse = 403;
    await stale('proxy', 'connect');
    proxy.refuse = undefined;
    await rig.jwksd.driven('proxy', 'FRESH');
    await proxy.close();
    await stale('proxy', 'connect');
  });
});

test('none of it left a connection open', async () => {
  await rig.jwksd.until('hang', () => rig.upstreams.server.connections === 0);
  expect(rig.jwksd.server.log().filter(({ level }) => Number(level) >= 50)).toEqual([]);
});
