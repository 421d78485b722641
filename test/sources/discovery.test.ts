import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Discovery, discoveryUrl, fixedLocator } from '../../src/sources/discovery.ts';
import type { FailureCode } from '../../src/sources/upstream/failure.ts';
import { LastKnownGood } from '../../src/sources/upstream/last-known-good.ts';
import { ManualClock } from '../fakes/clock.ts';
import { jwks, kidsOf } from '../fakes/keys.ts';
import { createLog } from '../fakes/log.ts';
import {
  answer,
  failing,
  held,
  started,
  statusOf,
  type Reply,
  type Rig,
  type RigOptions,
} from '../fakes/upstream-source.ts';
import { byPath, FakeUpstream, ok, redirect, status } from '../fakes/upstream.ts';
import { requester } from './upstream/requester.ts';

const issuer = 'https://idp.example.org/realms/main';
const hour = 3_600_000;

test.each([
  ['https://idp.example.org', 'https://idp.example.org/.well-known/openid-configuration'],
  ['https://idp.example.org/', 'https://idp.example.org/.well-known/openid-configuration'],
  [issuer, `${issuer}/.well-known/openid-configuration`],
  [`${issuer}/`, `${issuer}/.well-known/openid-configuration`],
])('the metadata of %s is at %s', (from, expected) => {
  expect(discoveryUrl(from).href).toBe(expected);
});

/** A source by discovery, whose two documents a test sets. */
const discovered = async (
  documents: { metadata: Reply; keys: Record<string, Reply> },
  options: RigOptions = {},
): Promise<Rig> => {
  const route: Reply = (sent, signal) => {
    if (sent.url.endsWith('/.well-known/openid-configuration')) return documents.metadata(sent, signal);
    return (documents.keys[sent.url] ?? failing('http_404'))(sent, signal);
  };
  return await started([route], {
    type: 'oidc',
    locator: (clock, log) => new Discovery({ issuer, allowInsecureHttp: false, source: 'idp', clock, log }),
    ...options,
  });
};
const metadata = (members: object): Reply => answer({ issuer, ...members });
const isMetadata = ({ url }: { url: string }): boolean => url.endsWith('openid-configuration');

test('the keys are fetched from where the issuer says', async () => {
  const at = 'https://keys.example.org/jwks?v=1';
  const { source, network } = await discovered({
    metadata: metadata({ jwks_uri: at }),
    keys: { [at]: answer(jwks('a')) },
  });
  expect(source.current.state).toBe('FRESH');
  expect(network.sent.map(({ url }) => url)).toEqual([discoveryUrl(issuer).href, at]);
  expect(network.sent[0]?.ask).toMatchObject({ accept: 'application/json', maxBody: 256 * 1024 });
});

describe('a discovery document is refused', () => {
  test.each<[string, Reply, FailureCode]>([
    ['when it cannot be fetched', failing('connect'), 'discovery_fetch'],
    ['when it is no JSON', answer('<html>'), 'discovery_json'],
    ['when it is null', answer('null'), 'discovery_issuer'],
    ['when it names no issuer', answer({ jwks_uri: 'https://x.example/' }), 'discovery_issuer'],
    [
      'when it names another issuer',
      answer({ issuer: 'https://evil.example', jwks_uri: 'https://x.example/' }),
      'discovery_issuer',
    ],
    [
      'when the issuer differs by a slash',
      answer({ issuer: `${issuer}/`, jwks_uri: 'https://x.example/' }),
      'discovery_issuer',
    ],
    [
      'when the issuer is in the prototype',
      answer(`{"__proto__":{"issuer":"${issuer}"}}`),
      'discovery_issuer',
    ],
    ['without a jwks_uri', metadata({}), 'discovery_no_jwks_uri'],
    ['when jwks_uri is no URL', metadata({ jwks_uri: 'keys' }), 'discovery_no_jwks_uri'],
    ['when jwks_uri is not text', metadata({ jwks_uri: ['https://x.example/'] }), 'discovery_no_jwks_uri'],
    ['when jwks_uri is a file', metadata({ jwks_uri: 'file:///etc/passwd' }), 'discovery_no_jwks_uri'],
    ['when jwks_uri is data', metadata({ jwks_uri: 'data:application/json,{}' }), 'discovery_no_jwks_uri'],
    [
      'when an https issuer names http',
      metadata({ jwks_uri: 'http://idp.example.org/jwks' }),
      'discovery_no_jwks_uri',
    ],
    [
      'when an https issuer names http on loopback',
      metadata({ jwks_uri: 'http://127.0.0.1/jwks' }),
      'discovery_no_jwks_uri',
    ],
    [
      'when jwks_uri has user info',
      metadata({ jwks_uri: 'https://u:p@x.example/' }),
      'discovery_no_jwks_uri',
    ],
  ])('%s', async (_name, reply, code) => {
    const { source, clock } = await discovered({ metadata: reply, keys: {} });
    await clock.advance(5000);
    expect(source.status()).toMatchObject({ state: 'DOWN', lastError: { code } });
  });
});

describe('discovery again', () => {
  const [first, second] = ['https://keys.example.org/1', 'https://keys.example.org/2'];
  /** Asked for every minute. */
  const often = answer(jwks('a'), { 'cache-control': 'no-cache' });

  test('happens once an hour', async () => {
    const { clock, network } = await discovered({
      metadata: metadata({ jwks_uri: first }),
      keys: { [first]: answer(jwks('a')) },
    });
    await clock.advance(3 * hour);
    expect(network.sent.filter(isMetadata)).toHaveLength(4);
  });

  test('happens after two failed fetches, and follows the keys to where they moved', async () => {
    const documents = {
      metadata: metadata({ jwks_uri: first }),
      keys: { [first]: answer(jwks('a')) } as Record<string, Reply>,
    };
    const { source, clock } = await discovered(documents);
    documents.metadata = metadata({ jwks_uri: second });
    documents.keys = { [second]: answer(jwks('a', 'b')) };
    await clock.advance(300_000 + 30_000);
    expect(kidsOf(source.current.keys)).toEqual(['a', 'b']);
  });

  test('happens in every cycle as long as no keys were ever found', async () => {
    const documents = {
      metadata: metadata({ jwks_uri: 'https://wrong.example/jwks' }),
      keys: { 'https://right.example/jwks': answer(jwks('a')) },
    };
    const { source, clock } = await discovered(documents);
    await clock.advance(600_000);
    expect(source.current.state).toBe('DOWN');
    documents.metadata = metadata({ jwks_uri: 'https://right.example/jwks' });
    await clock.advance(30_000);
    expect(source.current.state).toBe('FRESH');
  });

  test('keeps the old jwks_uri until the new one yields usable keys', async () => {
    const documents = {
      metadata: metadata({ jwks_uri: first }),
      keys: { [first]: answer(jwks('a')), [second]: answer({ keys: [] }) },
    };
    const { source, clock, network } = await discovered(documents);
    documents.metadata = metadata({ jwks_uri: second });
    await clock.advance(2 * hour);
    expect(source.status()).toMatchObject({ state: 'FRESH', consecutiveFailures: 0 });
    expect(network.sent.at(-1)?.url).toBe(first);
    documents.keys[second] = answer(jwks('a', 'c'));
    await clock.advance(hour);
    expect(kidsOf(source.current.keys)).toEqual(['a', 'c']);
    expect(network.sent.at(-1)?.url).toBe(second);
  });

  test('that fails costs no keys, is tried every 5 minutes, counted, and told once', async () => {
    const documents = { metadata: metadata({ jwks_uri: first }), keys: { [first]: often } };
    const { source, clock, network, lines } = await discovered(documents);
    documents.metadata = answer({ issuer: 'https://evil.example', jwks_uri: second });
    await clock.advance(hour - 1);
    expect(network.sent.filter(isMetadata)).toHaveLength(1);
    await clock.advance(hour);
    expect(source.status()).toMatchObject({
      state: 'FRESH',
      consecutiveFailures: 0,
      attempts: { discovery_issuer: 12 },
    });
    expect(network.sent.filter(isMetadata)).toHaveLength(13);
    const told = (): string[] => lines.map(({ text }) => text).filter((text) => text.includes('discovery'));
    expect(told()).toHaveLength(1);
    documents.metadata = metadata({ jwks_uri: first });
    await clock.advance(hour);
    expect(told()).toHaveLength(2);
    expect(told()[1]).toBe('discovery is back');
    expect(network.sent.filter(isMetadata)).toHaveLength(14);
  });

  /** An issuer that names another jwks_uri after an hour, which does what `reply` says; time stands where it was tried once. */
  const moved = async (reply: Reply) => {
    const documents = { metadata: metadata({ jwks_uri: first }), keys: { [first]: often, [second]: reply } };
    const made = await discovered(documents);
    documents.metadata = metadata({ jwks_uri: second });
    await made.clock.advance(hour);
    const asked = (): string[] => made.network.sent.map(({ url }) => url);
    expect(asked().slice(-2)).toEqual([second, first]);
    return { ...made, documents, asked };
  };

  test('that finds a jwks_uri which fails is counted and told once, and tries it every 5 minutes', async () => {
    const { source, clock, documents, asked, lines } = await moved(failing('http_404'));
    await clock.advance(hour - 1);
    expect(asked().filter((url) => url === second)).toHaveLength(12);
    expect(source.status()).toMatchObject({ state: 'FRESH', attempts: { http_404: 12 } });
    const told = (): string[] =>
      lines.map(({ text }) => text).filter((text) => text.includes('new jwks_uri'));
    expect(told()).toEqual(['the new jwks_uri failed, the known one is kept: scripted http_404']);
    documents.keys[second] = answer(jwks('a', 'b'));
    await clock.advance(300_000);
    expect(kidsOf(source.current.keys)).toEqual(['a', 'b']);
    expect(told()).toHaveLength(2);
    expect(asked().at(-1)).toBe(second);
  });

  test('that finds a jwks_uri which asks to be left alone does so, and goes on with the known one', async () => {
    const { source, clock, asked } = await moved(statusOf(429, 900_000));
    const before = asked().length;
    await clock.advance(900_000 - 1);
    expect(asked().slice(before)).toEqual(Array.from({ length: 14 }, () => first));
    await clock.advance(60_000);
    expect(asked().slice(before + 14)).toEqual([second, first]);
    expect(source.status().consecutiveFailures).toBe(0);
  });

  test('leaves a new jwks_uri alone that asked for it, also while the known one fails', async () => {
    const { clock, documents, asked } = await moved(statusOf(503, 600_000));
    documents.keys[first] = failing('connect');
    const before = asked().length;
    await clock.advance(600_000 - 1);
    expect(
      new Set(
        asked()
          .slice(before)
          .filter((url) => url !== discoveryUrl(issuer).href),
      ),
    ).toEqual(new Set([first]));
    expect(asked().length - before).toBeGreaterThan(10);
  });

  test('is nothing a client waits for: it gets what the known jwks_uri has, whatever else hangs', async () => {
    const { source, clock, documents } = await moved(failing('timeout'));
    documents.keys[first] = answer(jwks('a', 'b'));
    documents.keys[second] = held().reply;
    documents.metadata = held().reply;
    await clock.advance(59_000);
    expect(await source.refresh('demand')).toEqual({ ok: true, changed: true });
    await clock.advance(hour);
    documents.keys[first] = answer(jwks('a', 'b', 'c'));
    expect(await source.refresh('demand')).toEqual({ ok: true, changed: true });
  });

  test('waits as long as the document asks for, while a jwks_uri is known', async () => {
    const documents = { metadata: metadata({ jwks_uri: first }), keys: { [first]: often } };
    const { source, clock, network } = await discovered(documents);
    documents.metadata = statusOf(429, 900_000);
    await clock.advance(2 * hour - 1);
    // At 60, 75, 90 and 105 minutes, on top of the first.
    expect(network.sent.filter(isMetadata)).toHaveLength(5);
    expect(source.status()).toMatchObject({ state: 'FRESH', consecutiveFailures: 0 });
  });

  test('that finds another jwks_uri tells both once, without their query', async () => {
    const documents = {
      metadata: metadata({ jwks_uri: `${first}?secret=1` }),
      keys: { [`${first}?secret=1`]: often, [`${second}?secret=2`]: often },
    };
    const { clock, lines } = await discovered(documents);
    documents.metadata = metadata({ jwks_uri: `${second}?secret=2` });
    await clock.advance(3 * hour);
    const told = lines.filter(({ text }) => text === 'the issuer names another jwks_uri');
    expect(told.map(({ members }) => members)).toEqual([{ source: 'idp', from: first, to: second }]);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  test('two jwks_uris that both fail take turns, within 125 requests an hour, and either ends the outage', async () => {
    for (const back of [first, second]) {
      const documents = {
        metadata: metadata({ jwks_uri: first }),
        keys: { [first]: often } as Record<string, Reply>,
      };
      const { source, clock, network } = await discovered(documents);
      documents.metadata = metadata({ jwks_uri: second });
      documents.keys = { [first]: failing('connect'), [second]: failing('connect') };
      await clock.advance(300_000);
      const before = network.sent.length;
      await clock.advance(hour);
      expect(network.sent.length - before).toBeLessThanOrEqual(125);
      documents.keys[back] = answer(jwks('a', 'b'));
      await clock.advance(120_000);
      expect(source.current.state).toBe('FRESH');
    }
  });

  test('in an outage of an hour stays within 125 requests in all', async () => {
    const documents = { metadata: metadata({ jwks_uri: first }), keys: { [first]: answer(jwks('a')) } };
    const { clock, network } = await discovered(documents);
    documents.metadata = failing('connect');
    documents.keys[first] = failing('connect');
    await clock.advance(300_000);
    const before = network.sent.length;
    await clock.advance(hour);
    expect(network.sent.length - before).toBeLessThanOrEqual(125);
  });

  test('validators of the old jwks_uri are not sent to the new one', async () => {
    const tagged = answer(jwks('a'), { etag: '"1"' });
    const documents = {
      metadata: metadata({ jwks_uri: first }),
      keys: { [first]: tagged, [second]: tagged },
    };
    const { clock, network } = await discovered(documents);
    documents.metadata = metadata({ jwks_uri: second });
    await clock.advance(hour + 300_000);
    const toNew = network.sent.filter(({ url }) => url === second);
    expect(toNew[0]?.ask).not.toHaveProperty('etag', '"1"');
    expect(toNew[1]?.ask).toHaveProperty('etag', '"1"');
  });
});

describe('after a restart', () => {
  const known = 'https://keys.example.org/1';
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'jwksd-discovery-'));
  });
  afterEach(async () => await rm(directory, { recursive: true }));

  /** A process that fetched key `a` from `url`, and ended; what it remembers is left. */
  const remembering = async (url: string): Promise<LastKnownGood> => {
    const file = new LastKnownGood(directory, 'idp', issuer);
    const options = { file, locator: () => fixedLocator(new URL(url)) };
    const { source } = await started([answer(jwks('a'))], options);
    await source.close();
    return file;
  };

  test('the jwks_uri known from before is asked while discovery is down', async () => {
    const file = await remembering(known);
    const documents = { metadata: failing('connect'), keys: { [known]: answer(jwks('a', 'b')) } };
    const { source, clock } = await discovered(documents, { file });
    await clock.advance(5000);
    expect(source.status()).toMatchObject({ state: 'FRESH', attempts: { discovery_fetch: 1, ok: 1 } });
    expect(kidsOf(source.current.keys)).toEqual(['a', 'b']);
    await source.close();
  });

  test.each([`${known}?p=a`, `${known}?`, `${known}?p=a?b`])(
    'the keys of %s are asked for at that very URL, and it is told to nobody',
    async (url) => {
      const file = await remembering(url);
      // Without its query the URL is that of another tenant.
      const keys = { [url]: answer(jwks('a', 'b')), [known]: answer(jwks('foreign')) };
      const { source, clock, network, lines } = await discovered(
        { metadata: failing('connect'), keys },
        { file },
      );
      await clock.advance(hour);
      expect(kidsOf(source.current.keys)).toEqual(['a', 'b']);
      expect(network.sent.filter((sent) => !isMetadata(sent)).every((sent) => sent.url === url)).toBe(true);
      expect(JSON.stringify([source.status(), lines])).not.toContain('?');
      await source.close();
    },
  );

  test('a remembered jwks_uri that would not be accepted today is not asked', async () => {
    const file = await remembering('http://127.0.0.1/jwks');
    const { source, clock, network } = await discovered({ metadata: failing('connect'), keys: {} }, { file });
    await clock.advance(hour);
    expect(source.current.state).toBe('RESTORED');
    expect(network.sent.every(isMetadata)).toBe(true);
    expect(network.sent.length).toBeLessThanOrEqual(125);
  });

  test('with a jwks_uri that fails, discovery is asked at most every 5 minutes', async () => {
    const file = await remembering(known);
    const documents = { metadata: metadata({ jwks_uri: known }), keys: {} };
    const { source, clock, network } = await discovered(documents, { file });
    await clock.advance(hour);
    expect(source.current.state).toBe('RESTORED');
    expect(network.sent.filter(isMetadata).length).toBeLessThanOrEqual(13);
    expect(network.sent.length).toBeLessThanOrEqual(125);
  });
});

describe('over the network', () => {
  let upstream: FakeUpstream;
  beforeEach(async () => {
    upstream = await FakeUpstream.start();
  });
  afterEach(async () => await upstream.close());

  const locate = async (): Promise<unknown> => {
    const { signal } = new AbortController();
    const result = await new Discovery({
      issuer: upstream.origin,
      allowInsecureHttp: false,
      source: 'idp',
      clock: new ManualClock(),
      log: createLog().log,
    }).locate({
      failed: 0,
      hasKeys: false,
      demand: false,
      count: () => undefined,
      send: async (url, ask) => await requester().send(url, ask, signal),
      signal,
    });
    return result.ok ? result.urls.map(({ href }) => href) : result.code;
  };

  test('an issuer on loopback may use http', async () => {
    const keys = `${upstream.origin}/keys`;
    upstream.handler = byPath({
      '/.well-known/openid-configuration': ok({ issuer: upstream.origin, jwks_uri: keys }),
    });
    expect(await locate()).toEqual([keys]);
  });

  test('a document of more than 256 KiB, an error, a loop: discovery_fetch', async () => {
    const padding = 'x'.repeat(256 * 1024);
    for (const handler of [
      ok({ issuer: upstream.origin, padding }),
      status(500),
      redirect('/.well-known/openid-configuration'),
    ]) {
      upstream.handler = handler;
      expect(await locate()).toBe('discovery_fetch');
    }
  });
});
