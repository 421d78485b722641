import { afterAll, beforeAll, expect, test } from 'vitest';
import { jwks } from '../../fakes/keys.ts';
import { byPath, FakeUpstream, hang, ok, raw, redirect, status, type Handler } from '../../fakes/upstream.ts';
import { startRig, type Rig } from './rig.ts';

const good = jwks('good');

/** An issuer on a server of its own path, whose document a test makes. */
type Case = readonly [
  title: string,
  document: (issuer: string, other: FakeUpstream) => object | Handler,
  expected: string,
  source?: Readonly<Record<string, unknown>>,
];

const cases: readonly Case[] = [
  ['names its own jwks_uri', (issuer) => ({ issuer, jwks_uri: `${issuer}/jwks` }), 'FRESH'],
  [
    'keeps its keys on another host',
    (issuer, other) => ({ issuer, jwks_uri: other.url('/jwks').href }),
    'FRESH',
  ],
  [
    'is somebody else',
    (_issuer, other) => ({ issuer: other.origin, jwks_uri: other.url('/jwks').href }),
    'discovery_issuer',
  ],
  [
    'has one slash too many',
    (issuer) => ({ issuer: `${issuer}/`, jwks_uri: `${issuer}/jwks` }),
    'discovery_issuer',
  ],
  ['has no name', (issuer) => ({ jwks_uri: `${issuer}/jwks` }), 'discovery_issuer'],
  [
    'keeps its keys in a file',
    (issuer) => ({ issuer, jwks_uri: 'file:///etc/passwd' }),
    'discovery_no_jwks_uri',
  ],
  [
    'keeps its keys in the text',
    (issuer) => ({ issuer, jwks_uri: 'data:application/json,{}' }),
    'discovery_no_jwks_uri',
  ],
  ['keeps its keys at no URL', (issuer) => ({ issuer, jwks_uri: '/jwks' }), 'discovery_no_jwks_uri'],
  [
    'keeps its keys behind a password',
    (issuer) => ({ issuer, jwks_uri: issuer.replace('//', '//a:b@') }),
    'discovery_no_jwks_uri',
  ],
  ['says nothing of keys', (issuer) => ({ issuer }), 'discovery_no_jwks_uri'],
  [
    'keeps its keys on plain http elsewhere',
    (issuer) => ({ issuer, jwks_uri: 'http://192.0.2.1/jwks' }),
    'discovery_no_jwks_uri',
  ],
  [
    'keeps its keys at a metadata service',
    (issuer) => ({ issuer, jwks_uri: 'http://169.254.169.254/jwks' }),
    'address_blocked',
    { allowInsecureHttp: true },
  ],
  [
    'takes its document for its keys',
    (issuer) => ({ issuer, jwks_uri: `${issuer}/.well-known/openid-configuration` }),
    'not_jwks',
  ],
  ['sends for its document in circles', () => redirect('openid-configuration'), 'discovery_fetch'],
  [
    'sends for its document to another host',
    (_issuer, other) => redirect(other.url('/document').href),
    'discovery_fetch',
  ],
  ['sends for its document to a file', () => redirect('file:///etc/passwd'), 'discovery_fetch'],
  [
    'sends for its keys in circles',
    (issuer) => ({ issuer, jwks_uri: `${issuer}/circle` }),
    'redirect_blocked',
  ],
  ['has no document', () => status(404), 'discovery_fetch'],
  ['fails', () => status(500), 'discovery_fetch'],
  ['hangs', () => hang(), 'discovery_fetch', { totalTimeout: '1s' }],
  ['speaks another protocol', () => raw('SSH-2.0-OpenSSH_9.6\r\n'), 'discovery_fetch'],
  ['has a page', () => ok('<!doctype html>', { 'content-type': 'text/html' }), 'discovery_json'],
  ['has half a document', () => ok('{"issuer":'), 'discovery_json'],
  ['has a list', () => ok([]), 'discovery_issuer'],
  [
    'has 300 KiB',
    (issuer) => ({ issuer, jwks_uri: `${issuer}/jwks`, x: 'x'.repeat(300 * 1024) }),
    'discovery_fetch',
  ],
];

let rig: Rig;
let issuers: FakeUpstream;
let other: FakeUpstream;
const table = cases.map(([title, document, expected, source = {}], index) => ({
  title,
  document,
  expected,
  source,
  name: `i${index}`,
}));
const answers = new Map<string, Handler>();

beforeAll(async () => {
  other = await FakeUpstream.start({ handler: byPath({ '/jwks': ok(good) }) });
  issuers = await FakeUpstream.start({
    handler: (request, response) => {
      const [, name = '', ...rest] = (request.url ?? '').split('/');
      const at = rest.join('/');
      if (at === 'jwks') ok(good)(request, response);
      else if (at === 'circle') redirect('circle')(request, response);
      else (answers.get(name) ?? status(404))(request, response);
    },
  });
  const issuerOf = (name: string): string => issuers.url(`/${name}`).href;
  for (const { name, document } of table) {
    const made = document(issuerOf(name), other);
    answers.set(name, typeof made === 'function' ? (made as Handler) : ok(made));
  }
  rig = await startRig(
    table.map(({ name, source }) => ({
      name,
      source: Object.assign({ type: 'oidc', issuer: issuerOf(name) }, source),
    })),
  );
}, 60_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await issuers.close();
  await other.close();
});

test.each(table)('an issuer that $title: $expected', async ({ name, expected }) => {
  const { jwksd } = rig;
  if (expected === 'FRESH') return await jwksd.publishes(name, ['good']);
  const source = await jwksd.until(name, ({ lastError }) => lastError !== null, 20_000);
  expect(source).toMatchObject({ state: 'DOWN', lastError: { code: expected } });
  expect(await jwksd.kids(name)).toBe(503);
  return undefined;
});

test('no issuer was asked in a loop, and all are mended by a right document', async () => {
  const { jwksd } = rig;
  for (const { name } of table) {
    const asked = issuers.requests.filter(({ url }) => url.startsWith(`/${name}/`)).length;
    // Three attempts at most in the first cycle, four requests each for a circle, then one by one as the backoff has it.
    expect(asked, name).toBeLessThan(40);
    const issuer = issuers.url(`/${name}`).href;
    answers.set(name, ok({ issuer, jwks_uri: `${issuer}/jwks` }));
  }
  // A wrong jwks_uri is asked about again after two failed cycles.
  for (const { name } of table) await jwksd.driven(name, 'FRESH');
  for (const { name } of table) await jwksd.publishes(name, ['good']);
  expect(await jwksd.isReady()).toBe(true);
}, 60_000);

test('an issuer that turns bad keeps its keys', async () => {
  const { jwksd } = rig;
  const name = table[0]?.name ?? '';
  answers.set(name, ok({ issuer: other.origin, jwks_uri: 'file:///etc/passwd' }));
  await jwksd.refreshed(name);
  expect(await jwksd.source(name)).toMatchObject({ state: 'FRESH' });
  expect(await jwksd.kids(name)).toEqual(['good']);
});
