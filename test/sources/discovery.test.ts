import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Discovery, discoveryUrl } from '../../src/sources/discovery.ts';
import type { FailureCode } from '../../src/sources/upstream/failure.ts';
import { ManualClock } from '../fakes/clock.ts';
import { jwks, kidsOf } from '../fakes/keys.ts';
import { answer, failing, started, type Network, type Reply, type Rig } from '../fakes/upstream-source.ts';
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
  options: { readonly issuer?: string; readonly allowInsecureHttp?: boolean } = {},
): Promise<Rig> => {
  const route: Reply = (sent, signal) => {
    if (sent.url.endsWith('/.well-known/openid-configuration')) return documents.metadata(sent, signal);
    return (documents.keys[sent.url] ?? failing('http_404'))(sent, signal);
  };
  return await started([route], {
    type: 'oidc',
    locator: (network: Network, clock: ManualClock) =>
      new Discovery(options.issuer ?? issuer, network, clock, options.allowInsecureHttp ?? false),
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

  test('that fails costs nothing while the keys can be fetched', async () => {
    const documents = { metadata: metadata({ jwks_uri: first }), keys: { [first]: answer(jwks('a')) } };
    const { source, clock } = await discovered(documents);
    documents.metadata = failing('connect');
    await clock.advance(5 * hour);
    expect(source.status()).toMatchObject({ state: 'FRESH', consecutiveFailures: 0 });
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
    const moved = network.sent.filter(({ url }) => url === second);
    expect(moved[0]?.ask).not.toHaveProperty('etag', '"1"');
    expect(moved[1]?.ask).toHaveProperty('etag', '"1"');
  });
});

describe('over the network', () => {
  let upstream: FakeUpstream;
  beforeEach(async () => {
    upstream = await FakeUpstream.start();
  });
  afterEach(async () => await upstream.close());

  const locate = async (): Promise<unknown> => {
    const discovery = new Discovery(upstream.origin, requester(), new ManualClock(), false);
    const result = await discovery.locate(0, new AbortController().signal);
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
