import { createHash, generateKeyPairSync } from 'node:crypto';
import zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { kidDigest } from '../../src/jwk/kid-digest.ts';
import type { Key } from '../../src/jwk/key.ts';
import { buildSnapshot, emptySnapshot, type SetSpec } from '../../src/keyring/build.ts';
import type { Profile } from '../../src/keyring/profiles.ts';
import type { SetSnapshot, Snapshot } from '../../src/keyring/snapshot.ts';
import type { SourceSnapshot, SourceState } from '../../src/sources/source.ts';
import { admitted, ecJwk, kidsOf, rsaJwk, type Jwk } from '../fakes/keys.ts';

const spec = (changes: Partial<SetSpec> = {}): SetSpec => ({
  name: 'default',
  sources: ['one', 'two'],
  profile: 'generic',
  maxAge: 300_000,
  paths: ['/.well-known/jwks.json'],
  pemPaths: ['/', '/certs/'],
  ...changes,
});

const source = (
  name: string,
  keys: readonly (Jwk | Key)[],
  state: SourceState = 'FRESH',
  required = true,
): SourceSnapshot => ({
  name,
  required,
  state,
  keys: keys.map((key) => ('thumbprint' in key ? (key as Key) : admitted(key))),
});

const nobody: ReadonlySet<string> = new Set();

const build = async (
  sources: readonly SourceSnapshot[],
  sets: readonly SetSpec[] = [spec()],
  previous: Snapshot = emptySnapshot,
  wall = Date.UTC(2025, 0, 1, 12, 0, 0, 500),
): Promise<Snapshot> =>
  await buildSnapshot({
    denied: nobody,
    sets,
    sources: new Map(sources.map((one) => [one.name, one])),
    previous,
    wall,
  });

const one = async (
  sources: readonly SourceSnapshot[],
  profile: Profile = 'generic',
): Promise<SetSnapshot> => {
  const set = (await build(sources, [spec({ profile })])).sets.get('default');
  if (set === undefined) throw new Error('no set');
  return set;
};
const text = (set: SetSnapshot | undefined): string => set?.document?.identity.body.toString() ?? '';
const published = (set: SetSnapshot): (string | undefined)[] => kidsOf(set.keys.map(({ key }) => key));
const withheld = (set: SetSnapshot): string[] =>
  set.withheld.map(({ kid, reason }) => `${kid ?? '-'} ${reason}`);

const without = (jwk: Jwk, ...members: string[]): Jwk =>
  Object.fromEntries(Object.entries(jwk).filter(([name]) => !members.includes(name)));
const ed25519 = (kid: string, alg: string): Jwk => ({
  ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }),
  kid,
  use: 'sig',
  alg,
});

describe('the document', () => {
  test('is exactly the keys in order, and nothing else', async () => {
    const [a, b] = [ecJwk('a'), rsaJwk('b')];
    const set = await one([source('one', [a, b])]);
    const ec = `{"kty":"EC","kid":"a","use":"sig","alg":"ES256","crv":"P-256","x":"${String(a['x'])}","y":"${String(a['y'])}"}`;
    const rsa = `{"kty":"RSA","kid":"b","use":"sig","alg":"RS256","n":"${String(b['n'])}","e":"AQAB"}`;
    expect(text(set)).toBe(`{"keys":[${ec},${rsa}]}`);
    expect(set.keys.map(({ jwk }) => jwk.body.toString())).toEqual([ec, rsa]);
  });

  test('with kids beyond ASCII still gives each key its own bytes', async () => {
    const kids = ['ключ', '鍵', 'a"b\\c', 'é'];
    const set = await one([
      source(
        'one',
        kids.map((kid) => ecJwk(kid)),
      ),
    ]);
    expect(set.keys.map(({ jwk }) => (JSON.parse(jwk.body.toString()) as { kid: string }).kid)).toEqual(kids);
    expect(kidsOf(JSON.parse(text(set)).keys.map((jwk: object) => ({ jwk })))).toEqual(kids);
  });

  test('has the ETag of its bytes: equal for equal keys, other for each copy', async () => {
    const [first, second] = [
      await one([source('one', [ecJwk('a')])]),
      await one([source('one', [ecJwk('a')])]),
    ];
    const { identity, gzip, br } = first.document!;
    expect(identity.etag).toMatch(/^"[\w-]{27}"$/);
    expect(identity.etag).toContain(
      createHash('sha256').update(identity.body).digest('base64url').slice(0, 27),
    );
    expect(second.document?.identity.etag).toBe(identity.etag);
    expect(new Set([identity.etag, gzip?.etag, br?.etag]).size).toBe(3);
    expect((await one([source('one', [ecJwk('b')])])).document?.identity.etag).not.toBe(identity.etag);
  });

  test('has copies that decode to it, and none that is larger', async () => {
    const set = await one([source('one', [rsaJwk('a'), rsaJwk('b'), rsaJwk('c')])]);
    const { identity, gzip, br } = set.document!;
    expect(zlib.gunzipSync(gzip!.body)).toEqual(identity.body);
    expect(zlib.brotliDecompressSync(br!.body)).toEqual(identity.body);
    expect(gzip!.body.length).toBeLessThan(identity.body.length);
  });

  test('keeps its date while its bytes stay, through rebuilds and reloads', async () => {
    const later = Date.UTC(2025, 6, 1);
    const first = await build([source('one', [ecJwk('a')])]);
    expect(first.sets.get('default')?.lastModified).toBe(Date.UTC(2025, 0, 1, 12));
    const rebuilt = await build([source('one', [ecJwk('a')])], [spec()], first, later);
    expect(rebuilt.sets.get('default')).not.toBe(first.sets.get('default'));
    expect(rebuilt.sets.get('default')?.lastModified).toBe(Date.UTC(2025, 0, 1, 12));
    const changed = await build([source('one', [ecJwk('b')])], [spec()], rebuilt, later);
    expect(changed.sets.get('default')?.lastModified).toBe(later);
  });

  test('has a later date when its bytes change within a second, or after the clock was set back', async () => {
    const wall = Date.UTC(2025, 0, 1, 12);
    let previous = await build([source('one', [ecJwk('a')])], [spec()], emptySnapshot, wall);
    let last = wall;
    for (const [kid, at] of [
      ['b', wall + 200],
      ['c', wall - 3_600_000],
    ] as const) {
      previous = await build([source('one', [ecJwk(kid)])], [spec()], previous, at);
      const { lastModified } = previous.sets.get('default')!;
      expect(lastModified).toBeGreaterThan(last);
      expect(lastModified % 1000).toBe(0);
      last = lastModified;
    }
  });

  test('is the very same object when nothing it shows has changed', async () => {
    const sets = [spec()];
    const [a, b] = [source('one', [ecJwk('a')]), source('two', [ecJwk('b')])];
    const first = await build([a, b], sets);
    const second = await build([{ ...a, state: 'STALE' }, b], sets, first);
    expect(second.sets.get('default')).toBe(first.sets.get('default'));
    expect(second.generation).toBe(2);
    expect(second.readiness.sources).toEqual({ one: 'STALE', two: 'FRESH' });
  });

  test('is absent, not empty, when there is nothing to publish', async () => {
    for (const sources of [
      [],
      [source('one', [])],
      [source('one', [], 'DOWN')],
      [source('one', [], 'EXPIRED')],
    ]) {
      const set = await one(sources);
      expect(set).toMatchObject({ document: undefined, refusal: undefined, keys: [] });
      expect(set.byName.size + set.byDigest.size).toBe(0);
    }
    const set = await one([source('one', [{ ...rsaJwk('a'), use: 'enc', alg: 'RSA-OAEP' }])]);
    expect(set.document).toBeUndefined();
    expect(withheld(set)).toEqual(['a not_signature']);
  });
});

describe('names', () => {
  test('a key is found by kid, by kid digest, by thumbprint', async () => {
    const set = await one([source('one', [ecJwk('a')])]);
    const [key] = set.keys;
    expect(set.byName.get('a')).toEqual([key]);
    expect(set.byDigest.get(kidDigest('a'))).toEqual([key]);
    expect(set.byName.get(key!.key.thumbprint)).toEqual([key]);
    expect(key?.pem?.body.toString()).toBe(key?.key.pem);
  });

  test('a key without kid is found by its thumbprint, in every form', async () => {
    const set = await one([source('one', [without(ecJwk('a'), 'kid')])]);
    const { thumbprint } = set.keys[0]!.key;
    expect(set.byName.get(thumbprint)).toHaveLength(1);
    expect(set.byDigest.get(kidDigest(thumbprint))).toHaveLength(1);
  });

  test('a thumbprint never takes a name some kid has', async () => {
    const victim = admitted(ecJwk('victim'));
    const squatter = ecJwk(victim.thumbprint, 'squatter');
    const set = await one([source('one', [victim, squatter])]);
    expect(set.byName.get(victim.thumbprint)?.map(({ key }) => key.jwk.kid)).toEqual([victim.thumbprint]);
    expect(set.byName.get('victim')?.map(({ key }) => key.thumbprint)).toEqual([victim.thumbprint]);
  });

  test('kids like __proto__ are names like any other', async () => {
    const set = await one([source('one', [ecJwk('__proto__'), ecJwk('constructor')])]);
    expect(set.byName.get('__proto__')).toHaveLength(1);
    expect(set.byName.get('constructor')).toHaveLength(1);
    expect(set.byName.get('toString')).toBeUndefined();
  });
});

describe('merging', () => {
  test('sources in order, each in its own order', async () => {
    const sources = [source('two', [ecJwk('d'), ecJwk('c')]), source('one', [ecJwk('b'), ecJwk('a')])];
    expect(published(await one(sources))).toEqual(['b', 'a', 'd', 'c']);
  });

  test('the same kid and key is one entry, with the metadata of the first source', async () => {
    const second = { ...ecJwk('a'), key_ops: ['verify'] };
    const set = await one([source('one', [ecJwk('a')]), source('two', [second])]);
    expect(published(set)).toEqual(['a']);
    expect(text(set)).not.toContain('key_ops');
    expect(set.withheld).toEqual([]);
  });

  test('a kid of another source never shadows the first, and stays in its own set', async () => {
    const [mine, theirs] = [ecJwk('a'), ecJwk('a', 'theirs')];
    const sets = [spec(), spec({ name: 'theirs', sources: ['two'], paths: [], pemPaths: [] })];
    const { sets: built } = await build([source('two', [theirs, ecJwk('b')]), source('one', [mine])], sets);
    const set = built.get('default')!;
    expect(set.keys.map(({ source: from, key }) => [from, key.jwk.kid])).toEqual([
      ['one', 'a'],
      ['two', 'b'],
    ]);
    expect(set.byName.get('a')?.[0]?.key.jwk.x).toBe(mine['x']);
    expect(withheld(set)).toEqual(['a kid_conflict']);
    expect(set.ambiguousKids).toEqual([]);
    expect(published(built.get('theirs')!)).toEqual(['a', 'b']);
  });

  test('inside one source two keys of a kid both stay, and the name is ambiguous', async () => {
    const set = await one([source('one', [ecJwk('a'), ecJwk('a', 'second')])]);
    expect(published(set)).toEqual(['a', 'a']);
    expect(set.ambiguousKids).toEqual(['a']);
    expect(set.byName.get('a')).toHaveLength(2);
    expect(set.byDigest.get(kidDigest('a'))).toHaveLength(2);
  });

  test('the same key under two kids answers to both', async () => {
    const set = await one([source('one', [ecJwk('a', 'shared'), ecJwk('b', 'shared')])]);
    expect(published(set)).toEqual(['a', 'b']);
    expect(set.byName.get('a')).toHaveLength(1);
    expect(set.byName.get(set.keys[0]!.key.thumbprint)).toHaveLength(1);
  });

  test('a key that the profile leaves out does not reserve its kid', async () => {
    const enc = { ...rsaJwk('a'), use: 'enc', alg: 'RSA-OAEP' };
    const set = await one([source('one', [enc]), source('two', [ecJwk('a')])]);
    expect(set.keys.map(({ source: from }) => from)).toEqual(['two']);
  });
});

describe('profiles', () => {
  const x25519 = { ...generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }), kid: 'x25519' };
  const secp256k1 = {
    ...generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ format: 'jwk' }),
    kid: 'k1',
  };
  const akp = { kty: 'AKP', alg: 'ML-DSA-44', kid: 'pq', pub: Buffer.alloc(1312, 7).toString('base64url') };
  const everything: Jwk[] = [
    ecJwk('ec'),
    rsaJwk('rsa'),
    ed25519('ed', 'EdDSA'),
    { ...rsaJwk('enc'), use: 'enc', alg: 'RSA-OAEP' },
    { ...without(rsaJwk('silent enc'), 'use'), alg: 'RSA-OAEP-256' },
    { ...without(ecJwk('derive'), 'use', 'alg'), key_ops: ['deriveKey'] },
    without(ecJwk('bare'), 'use', 'alg'),
    { ...ecJwk('future'), alg: 'ES256-NG' },
    x25519,
    secp256k1,
    akp,
  ];

  test('full publishes everything that was admitted', async () => {
    const set = await one([source('one', everything)], 'full');
    expect(published(set)).toEqual(everything.map(({ kid }) => kid));
    expect(set.withheld).toEqual([]);
  });

  test('generic publishes signature keys of the types every client knows', async () => {
    const set = await one([source('one', everything)]);
    expect(published(set)).toEqual(['ec', 'rsa', 'ed', 'bare', 'future']);
    expect(withheld(set)).toEqual([
      'enc not_signature',
      'silent enc not_signature',
      'derive not_signature',
      'x25519 unsupported_crv',
      'k1 unsupported_crv',
      'pq unsupported_kty',
    ]);
  });

  test('jitsi publishes RSA signature keys with a kid', async () => {
    const set = await one([source('one', [...everything, without(rsaJwk('x'), 'kid')])], 'jitsi');
    expect(published(set)).toEqual(['rsa']);
    expect(withheld(set)).toContain('- no_kid');
    expect(withheld(set)).toContain('ec not_rsa');
  });

  test('opencast publishes signature keys with kid, alg and use', async () => {
    const keys = [
      ecJwk('good'),
      without(ecJwk('x'), 'kid'),
      without(ecJwk('no alg'), 'alg'),
      without(ecJwk('no use'), 'use'),
    ];
    const set = await one([source('one', keys)], 'opencast');
    expect(published(set)).toEqual(['good']);
    expect(withheld(set)).toEqual(['- no_kid', 'no alg no_alg', 'no use no_use']);
  });

  test('opencast writes Ed25519 as EdDSA, in the set and alone, and nobody else does', async () => {
    const keys = [ed25519('ed', 'Ed25519')];
    const opencast = await one([source('one', keys)], 'opencast');
    expect(text(opencast)).toContain('"alg":"EdDSA"');
    expect(opencast.keys[0]?.jwk.body.toString()).toContain('"alg":"EdDSA"');
    expect(text(await one([source('one', keys)]))).toContain('"alg":"Ed25519"');
  });

  test('opencast refuses a mixture of types, and then has no document, key or PEM', async () => {
    const set = await one([source('one', [ecJwk('a'), rsaJwk('b')])], 'opencast');
    expect(set.refusal).toMatch(/EC, RSA/);
    expect(set).toMatchObject({ document: undefined, keys: [] });
    expect(set.byDigest.size).toBe(0);
  });

  test.each([51_199, 51_200])('opencast takes 51,199 bytes and refuses 51,200: %i', async (size) => {
    const each = JSON.stringify(rsaJwk('0000')).length + 1;
    const frame = JSON.stringify({ keys: [] }).length - 1;
    const count = Math.floor((size - frame) / each);
    const padding = 'x'.repeat((size - frame) % each);
    const keys = Array.from({ length: count }, (_, n) =>
      rsaJwk(`${String(n).padStart(4, '0')}${n === 0 ? padding : ''}`),
    );
    expect(text(await one([source('one', keys)]))).toHaveLength(size);
    const set = await one([source('one', keys)], 'opencast');
    if (size < 51_200) expect(text(set)).toHaveLength(size);
    else
      expect(set).toMatchObject({
        document: undefined,
        refusal: expect.stringContaining('51200 bytes') as string,
      });
  });
});

describe('headers and readiness', () => {
  test('a complete set says its maxAge, one without a required source says who is missing', async () => {
    const complete = await one([source('one', [ecJwk('a')]), source('two', [ecJwk('b')], 'RESTORED')]);
    expect(complete.cacheControl).toBe(
      'public, max-age=300, stale-while-revalidate=60, stale-if-error=86400',
    );
    expect(complete.missing).toEqual([]);
    const degraded = await one([source('one', [ecJwk('a')]), source('two', [], 'DOWN')]);
    expect(degraded.missing).toEqual(['two']);
    expect(degraded.cacheControl).toMatch(/^public, max-age=5\b/);
    const optional = await one([source('one', [ecJwk('a')]), source('two', [], 'DOWN', false)]);
    expect(optional.missing).toEqual([]);
  });

  test('the degraded header goes when the source comes, even with the same keys', async () => {
    const sets = [spec()];
    const [a, none] = [source('one', [ecJwk('a')]), source('two', [], 'INIT')];
    const degraded = await build([a, none], sets);
    expect(degraded.sets.get('default')?.missing).toEqual(['two']);
    const whole = await build([a, { ...none, state: 'FRESH' }], sets, degraded);
    expect(whole.sets.get('default')?.missing).toEqual([]);
    expect(whole.sets.get('default')?.document?.identity.etag).toBe(
      degraded.sets.get('default')?.document?.identity.etag,
    );
  });

  test.each<[SourceState, boolean]>([
    ['INIT', false],
    ['DOWN', false],
    ['RESTORED', true],
    ['FRESH', true],
    ['STALE', true],
    ['EXPIRED', false],
  ])('a required source in %s: ready is %s', async (state, ready) => {
    const sources = [source('one', [ecJwk('a')]), source('two', ready ? [ecJwk('b')] : [], state)];
    const { readiness } = await build(sources);
    expect(readiness.ready).toBe(ready);
    expect(readiness.reasons).toEqual(ready ? [] : [`source two is ${state}`]);
  });

  test('without any set that has keys nothing is ready', async () => {
    const { readiness } = await build([source('one', [], 'DOWN', false), source('two', [], 'DOWN', false)]);
    expect(readiness).toMatchObject({ ready: false, reasons: ['no set has keys to publish'] });
    expect(emptySnapshot.readiness.ready).toBe(false);
  });

  test('paths and PEM directories lead to their sets', async () => {
    const sets = [spec(), spec({ name: 'jitsi', profile: 'jitsi', paths: [], pemPaths: ['/jitsi'] })];
    const { documents, pemDirectories } = await build([source('one', [rsaJwk('a')])], sets);
    expect([...documents].map(([path, { name }]) => [path, name])).toEqual([
      ['/sets/default/jwks.json', 'default'],
      ['/.well-known/jwks.json', 'default'],
      ['/sets/jitsi/jwks.json', 'jitsi'],
    ]);
    expect([...pemDirectories].map(([path, { name }]) => [path, name])).toEqual([
      ['', 'default'],
      ['/certs', 'default'],
      ['/jitsi', 'jitsi'],
    ]);
  });
});

describe('the name of a key of another source', () => {
  const nameless = without(ecJwk('first'), 'kid');
  const { thumbprint } = admitted(nameless);
  test.each([
    ['without kid', nameless],
    ['with another kid', ecJwk('first')],
  ])('cannot be taken by calling a key after its thumbprint: %s', async (_name, jwk) => {
    const set = await one([source('one', [jwk]), source('two', [{ ...ecJwk('thief'), kid: thumbprint }])]);
    expect(withheld(set)).toEqual([`${thumbprint} kid_conflict`]);
    expect(set.byName.get(thumbprint)?.map(({ source: from }) => from)).toEqual(['one']);
    expect(set.ambiguousKids).toEqual([]);
  });

  test('is no conflict when both have the very same key', async () => {
    const set = await one([
      source('one', [ecJwk('a')]),
      source('two', [{ ...ecJwk('a'), kid: admitted(ecJwk('a')).thumbprint }]),
    ]);
    expect(withheld(set)).toEqual([]);
    expect(set.keys).toHaveLength(2);
  });
});
