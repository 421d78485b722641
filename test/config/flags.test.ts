import { parse } from 'yaml';
import { describe, expect, test } from 'vitest';
import { config, load, loaded, problems } from './workspace.ts';

const yaml = 'server: { port: 1111 }\nsources: { a: { type: files, path: x } }\n';
const upstreamsOf = async (...upstream: string[]) => config({ flags: { upstream } });

describe('precedence', () => {
  test('file < environment < flag', async () => {
    const env = { JWKSD_SERVER__PORT: '2222' };
    expect((await config({ yaml })).server.port).toBe(1111);
    expect((await config({ yaml, env })).server.port).toBe(2222);
    expect((await config({ yaml, env, flags: { port: '3333' } })).server.port).toBe(3333);
  });

  test('every simple flag has its key', async () => {
    const result = await config({ yaml, flags: { host: '::1', port: '0', opsPort: '1', logLevel: 'warn' } });
    expect(result.server).toMatchObject({ host: '::1', port: 0 });
    expect(result.ops.port).toBe(1);
    expect(result.log.level).toBe('warn');
  });

  test('a wrong value is put down to its flag', async () => {
    const found = await problems({ yaml, flags: { port: '99999', logLevel: 'loud' } });
    expect(found.map(({ path, origin }) => [path, origin])).toEqual([
      ['server.port', 'flag --port'],
      ['log.level', 'flag --log-level'],
    ]);
  });
});

describe('nothing at all', () => {
  test('is the quickstart, in the working directory', async () => {
    const { result, work } = await load({});
    if (!result.ok) throw new Error('refused');
    expect(result.builtIn).toBe(true);
    expect(result.warnings).toEqual([]);
    expect(result.config.sources).toMatchObject([
      { type: 'files', path: `${work}/data/outputs`, generateIfEmpty: { alg: 'ES256', dir: `${work}/data` } },
    ]);
    expect(result.config.state.dir).toBe(`${work}/data/state`);
    expect(result.config.sets).toEqual([
      {
        name: 'default',
        sources: ['quickstart'],
        profile: 'generic',
        maxAge: 300_000,
        paths: ['/.well-known/jwks.json'],
        pemPaths: ['/', '/certs'],
      },
    ]);
  });

  test('but a port keeps the quickstart', async () => {
    const result = await config({ flags: { port: '0' }, env: { JWKSD_SOURCES__QUICKSTART__POLL: '5s' } });
    expect(result.sources).toMatchObject([{ name: 'quickstart', poll: 5000 }]);
  });
});

describe('--keys', () => {
  test('publishes a directory as the default set', async () => {
    const { result, work } = await load({ flags: { keys: './k' } });
    expect(result.ok && result.config.sources).toMatchObject([
      { type: 'files', name: 'keys', path: `${work}/k`, generateIfEmpty: null },
    ]);
    expect(result.ok && result.config.sets).toMatchObject([{ name: 'default', sources: ['keys'] }]);
  });

  test('together with --upstream is refused with the reason and a file that loads', async () => {
    const flags = {
      keys: '/k',
      upstream: ['kc=https://sso.example.org/certs', 'issuer:https://login.example.org'],
    };
    const found = await problems({ flags });
    expect(found).toHaveLength(1);
    expect(found[0]?.path).toBe('--keys');
    expect(found[0]?.message).toContain('one set, one trust domain');
    const file = found[0]?.message.split('\n\n')[1] ?? '';
    expect(parse(file)).toBeTypeOf('object');
    const { config: written, warnings } = await loaded({ yaml: file });
    expect(warnings).toEqual([]);
    expect(written.sets.map(({ name, sources }) => [name, sources])).toEqual([
      ['default', ['keys']],
      ['kc', ['kc']],
      ['login.example.org', ['login.example.org']],
    ]);
  });

  test('does not go with a file that has sources', async () => {
    expect(await problems({ yaml, flags: { keys: 'k' } })).toMatchObject([{ path: '--keys' }]);
    expect(await problems({ yaml, flags: { upstream: ['https://a.example'] } })).toMatchObject([
      { path: '--upstream' },
    ]);
  });

  test('goes with a file that has none', async () => {
    const result = await config({ yaml: 'server: { port: 1111 }', flags: { keys: 'k' } });
    expect(result.server.port).toBe(1111);
    expect(result.sources).toMatchObject([{ name: 'keys' }]);
  });
});

describe('--upstream', () => {
  test.each([
    ['https://sso.example.org/certs?x=1', { type: 'jwks', url: 'https://sso.example.org/certs?x=1' }],
    ['issuer:https://t.example/', { type: 'oidc', issuer: 'https://t.example/' }],
    ['https://t.example/r/.well-known/openid-configuration', { type: 'oidc', issuer: 'https://t.example/r' }],
    ['kc=issuer:https://t.example', { type: 'oidc', issuer: 'https://t.example', name: 'kc' }],
    ['kc=http://127.0.0.1:1/certs', { type: 'jwks', url: 'http://127.0.0.1:1/certs', name: 'kc' }],
  ])('%s', async (text, expected) => {
    expect((await upstreamsOf(text)).sources).toMatchObject([expected]);
  });

  test('one without a name is the default set', async () => {
    const { sets } = await upstreamsOf('https://sso.example.org/certs');
    expect(sets).toMatchObject([
      {
        name: 'default',
        sources: ['sso.example.org'],
        paths: ['/.well-known/jwks.json'],
        pemPaths: ['/', '/certs'],
      },
    ]);
  });

  test('several are a set each, with PEMs at their name, and the first is the default set too', async () => {
    const { sets, sources } = await upstreamsOf('kc=https://a.example', 'okta=https://b.example');
    expect(sources.map(({ name }) => name)).toEqual(['kc', 'okta']);
    expect(sets).toMatchObject([
      { name: 'default', sources: ['kc'], paths: ['/.well-known/jwks.json'], pemPaths: ['/', '/certs'] },
      { name: 'kc', sources: ['kc'], paths: [], pemPaths: ['/kc'] },
      { name: 'okta', sources: ['okta'], paths: [], pemPaths: ['/okta'] },
    ]);
  });

  test('one with a name is served under the name as well', async () => {
    const { sets } = await upstreamsOf('kc=https://a.example');
    expect(sets.map(({ name, pemPaths }) => [name, pemPaths])).toEqual([
      ['default', ['/', '/certs']],
      ['kc', ['/kc']],
    ]);
  });

  test('the first may be called default', async () => {
    const { sets } = await upstreamsOf('default=https://a.example', 'b=https://b.example');
    expect(sets.map(({ name, pemPaths }) => [name, pemPaths])).toEqual([
      ['default', ['/', '/certs', '/default']],
      ['b', ['/b']],
    ]);
  });

  test('names come from the host and are made unique', async () => {
    const { sources } = await upstreamsOf('http://127.0.0.1:1/a', 'http://127.0.0.1:2/b', 'http://[::1]:3/c');
    expect(sources.map(({ name }) => name).sort()).toEqual(['1', '127.0.0.1', '127.0.0.1-2']);
  });

  test('no set ever holds two upstreams', async () => {
    const { sets } = await upstreamsOf('https://a.example', 'https://b.example', 'https://c.example');
    expect(sets.every(({ sources }) => sources.length === 1)).toBe(true);
  });

  test('the environment adjusts what a flag describes', async () => {
    const result = await config({
      flags: { upstream: ['kc=https://a.example'] },
      env: {
        JWKSD_SOURCES__KC__MAX_STALE: '1h',
        JWKSD_SOURCES__KC__URL: 'https://z.example',
        JWKSD_SETS__KC__PROFILE: 'jitsi',
      },
    });
    expect(result.sources).toMatchObject([{ name: 'kc', maxStale: 3_600_000, url: 'https://a.example' }]);
    expect(result.sets).toMatchObject([{ profile: 'generic' }, { name: 'kc', profile: 'jitsi' }]);
  });

  test.each([
    [['a=https://a.example', 'a=https://b.example'], '--upstream', /"a" twice/],
    [['a=https://a.example', 'default=https://b.example'], '--upstream', /default= first/],
    [['http://sso.example.org/'], 'sources["sso.example.org"].url', /allowInsecureHttp/],
    [['https://u:hush@sso.example.org/'], 'sources["sso.example.org"].url', /user name/],
    [['certs=https://a.example'], 'sets.certs.pem.paths[0]', /sets\.default/],
    [['livez=https://a.example'], 'sets.livez.pem.paths[0]', /probes/],
    [['nonsense'], 'sources.upstream.url', /URL such as/],
    [[''], 'sources.upstream.url', /URL such as/],
  ])('%j is refused', async (upstream, path, message) => {
    const found = await problems({ flags: { upstream } });
    expect(found.map((problem) => problem.path)).toEqual([path]);
    expect(found[0]?.message).toMatch(message);
    expect(JSON.stringify(found)).not.toContain('hush');
  });

  test('a name that is none is refused', async () => {
    const found = await problems({ flags: { upstream: ['.a=https://a.example'] } });
    expect(found.map(({ path }) => path)).toContain('sources[".a"]');
  });
});
