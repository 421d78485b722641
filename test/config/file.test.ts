import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { config, load, loaded, problems } from './workspace.ts';

const source = 'sources: { a: { type: files, path: keys } }\n';

describe('the text of the file', () => {
  const table: [string, string, RegExp, number][] = [
    ['a key given twice', 'log: {}\nlog: {}\n', /unique/, 2],
    ['a second document', `${source}---\nlog: {}\n`, /more than one/, 2],
    ['a tab as indentation', 'log:\n\tlevel: info\n', /[Tt]ab/, 2],
    ['a quote that is not closed', 'log:\n  level: "info\n', /quote/, 3],
    ['a tag', 'log: { level: !!js/function x }', /tag/, 1],
    ['an alias without anchor', 'log: *nothing', /alias/, 1],
    ['a key that is a list', '? [a]\n: 1\n', /strings/, 1],
    ['a list at the root', '- a\n', /map of sections/, 1],
    ['a text at the root', 'sources\n', /map of sections/, 1],
    ['nesting without end', `a: ${'['.repeat(100_000)}`, /64 levels/, 1],
    ['block nesting without end', '- '.repeat(100_000), /64 levels/, 1],
  ];
  test.each(table)('%s is refused with its line', async (_title, yaml, message, line) => {
    const { result, etc } = await load({ yaml });
    const found = result.ok ? [] : result.problems;
    expect(found[0]?.message).toMatch(message);
    expect(found[0]).toMatchObject({ path: '', line, origin: `${etc}/jwksd.yaml:${line}` });
  });

  test('aliases cannot multiply without bound', async () => {
    const rows = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(10)}]`);
    const found = await problems({ yaml: `a0: &a0 [x,x,x,x]\n${rows.join('\n')}\n` });
    expect(found).toMatchObject([{ message: expect.stringMatching(/alias/) }]);
  });

  test('an alias gives a value to two places that stay apart', async () => {
    const yaml = `sources:
  a: &a { type: files, path: keys }
  b: *a
sets: { a: { sources: [a] }, b: { sources: [b] } }
`;
    const result = await config({ yaml, env: { JWKSD_SOURCES__B__POLL: '9s' } });
    expect(result.sources).toMatchObject([
      { name: 'a', poll: 2000 },
      { name: 'b', poll: 9000 },
    ]);
  });

  test.each([
    ['empty', ''],
    ['only a comment', '# nothing\n'],
    ['null', '~\n'],
  ])('a file that is %s says nothing is served', async (_title, yaml) => {
    expect(await problems({ yaml })).toMatchObject([
      { path: 'sources', message: expect.stringContaining('at least one source') },
    ]);
  });

  test('a byte order mark, CRLF and a missing line end are fine', async () => {
    const yaml = `\uFEFFlog: { level: warn }\r\n${source.trimEnd()}`;
    expect((await config({ yaml })).log.level).toBe('warn');
  });

  test('keys that are no texts in YAML are names all the same', async () => {
    const yaml =
      'sources: { 1: { type: files, path: x }, null: { type: files, path: y } }\nsets: { true: { sources: ["1", "null"] } }';
    const result = await config({ yaml });
    expect(result.sets).toMatchObject([{ name: 'true', sources: ['1', 'null'] }]);
  });
});

describe('finding the file', () => {
  test.each([
    ['that is missing', {}, 'nothing.yaml', /no such file/],
    ['that is a directory', {}, '.', /directory/],
    ['that is too large', { big: `# ${'x'.repeat(1_100_000)}` }, 'big', /larger than 1024 KiB/],
    ['that never ends', {}, '/dev/zero', /larger than 1024 KiB/],
    ['that is not UTF-8', { bin: new Uint8Array([0x61, 0x3a, 0xff]) }, 'bin', /UTF-8/],
  ])('--config with a file %s is refused', async (_title, files, name, message) => {
    expect(await problems({ flags: { config: name }, files })).toMatchObject([
      { path: '', message: expect.stringMatching(message) },
    ]);
  });

  test('a missing file and a wrong variable are told at once', async () => {
    const found = await problems({ flags: { config: 'nothing.yaml' }, env: { JWKSD_NONSENSE: '1' } });
    expect(found).toHaveLength(2);
    expect(found.some(({ message }) => message.includes('--config'))).toBe(true);
  });

  test('--config comes before JWKSD_CONFIG, and that before the system file', async () => {
    const files = {
      'flag.yaml': `log: { level: fatal }\n${source}`,
      'env.yaml': `log: { level: error }\n${source}`,
    };
    const yaml = `log: { level: warn }\n${source}`;
    const env = { JWKSD_CONFIG: 'env.yaml' };
    expect((await config({ yaml, files, env, flags: { config: 'flag.yaml' } })).log.level).toBe('fatal');
    expect((await config({ yaml, files, env })).log.level).toBe('error');
    expect((await config({ yaml, files, env: { JWKSD_CONFIG: '' } })).log.level).toBe('warn');
    expect((await config({})).log.level).toBe('info');
  });

  test('a pipe can be read', async () => {
    const { work } = await load({ yaml: source });
    const pipe = path.join(work, 'pipe');
    execFileSync('sh', ['-c', 'mkfifo "$0"', pipe]);
    const loading = loadConfig({ flags: { config: pipe }, env: {}, cwd: work });
    await writeFile(pipe, source);
    expect((await loading).ok).toBe(true);
  });
});

describe('relative paths', () => {
  test('start at the file when the file gives them, at the working directory otherwise', async () => {
    const yaml = `server: { tls: { certFile: c.pem, keyFile: /abs/k.pem } }
sources:
  a: { type: files, path: ./keys }
  b: { type: jwks, url: https://a.example, caFile: ../ca.pem, bearerTokenFile: t }
sets: { s: { sources: [a] }, t: { sources: [b] } }
`;
    const { result, etc, work } = await load({ yaml, env: { JWKSD_SOURCES__B__BEARER_TOKEN_FILE: 't' } });
    if (!result.ok) throw new Error('refused');
    expect(result.config.server.tls).toEqual({ certFile: `${etc}/c.pem`, keyFile: '/abs/k.pem' });
    expect(result.config.sources).toMatchObject([
      { path: `${etc}/keys` },
      { caFile: path.resolve(etc, '../ca.pem'), bearerTokenFile: `${work}/t` },
    ]);
    expect(result.config.state.dir).toBe(`${work}/data/state`);
  });
});

describe('sets', () => {
  test('only the set default has paths of its own', async () => {
    const yaml = `${source}sets: { default: {}, other: {} }`;
    expect((await config({ yaml })).sets).toMatchObject([
      { name: 'default', sources: ['a'], paths: ['/.well-known/jwks.json'], pemPaths: ['/', '/certs'] },
      { name: 'other', sources: ['a'], paths: [], pemPaths: [] },
    ]);
  });

  test('what the file says replaces those paths', async () => {
    const yaml = `${source}sets: { default: { paths: [/k], pem: null }, other: { pem: { paths: [/certs/] } } }`;
    expect((await config({ yaml })).sets).toMatchObject([
      { name: 'default', paths: ['/k'], pemPaths: [] },
      { name: 'other', pemPaths: ['/certs'] },
    ]);
  });

  test('without a set called default nothing is at the default paths', async () => {
    const { sets } = await config({ yaml: `${source}sets: { mine: {} }` });
    expect(sets).toMatchObject([{ name: 'mine', paths: [], pemPaths: [] }]);
  });

  test('the order of the sources is kept', async () => {
    const yaml =
      'sources: { a: { type: files, path: x }, b: { type: files, path: y } }\nsets: { s: { sources: [b, a] } }';
    expect((await config({ yaml })).sets[0]?.sources).toEqual(['b', 'a']);
  });
});

describe('units', () => {
  test('durations are milliseconds, sizes bytes, shares numbers', async () => {
    const yaml =
      'sources: { a: { type: oidc, issuer: https://a.example, jitter: 5%, maxBody: 2KiB, headers: { X-A: b }, allowRedirectHosts: [KEYS.example] } }';
    expect((await config({ yaml })).sources).toEqual([
      {
        type: 'oidc',
        name: 'a',
        issuer: 'https://a.example',
        jwksUri: null,
        required: true,
        refreshInterval: 300_000,
        refreshMin: 60_000,
        refreshMax: 300_000,
        jitter: 0.05,
        maxStale: 86_400_000,
        staleIfError: 'always',
        removalConfirm: 30_000,
        connectTimeout: 3000,
        totalTimeout: 10_000,
        maxBody: 2048,
        maxKeys: 1000,
        caFile: null,
        proxy: null,
        bearerTokenFile: null,
        headers: { 'x-a': 'b' },
        allowInsecureHttp: false,
        allowRedirectHosts: ['keys.example'],
        blockPrivateAddresses: false,
      },
    ]);
  });

  test('the rest of the defaults', async () => {
    const { sources: _sources, sets: _sets, state: _state, ...rest } = await config({ yaml: source });
    expect(rest).toEqual({
      server: {
        host: '127.0.0.1',
        port: 8080,
        publicUrl: null,
        tls: null,
        trustProxy: false,
        requestTimeout: 10_000,
        bodyLimit: 16_384,
        landingPage: true,
      },
      ops: { enabled: true, host: '127.0.0.1', port: 9464, token: null },
      cors: { origins: '*' },
      log: { level: 'info', pretty: 'auto' },
      shutdown: { delay: 0, grace: 10_000 },
      registration: null,
      validation: null,
    });
  });

  test('registration has the units the program works with, and paths from the file', async () => {
    const { result, etc } = await load({
      yaml: `server: { publicUrl: https://keys.example.org/ }
${source}
registration:
  accessToken: { introspection: { url: https://a.example/i, clientId: c, clientSecretFile: secret } }
  rateLimit: 5/s
`,
    });
    expect(result.ok && result.config.registration).toEqual({
      path: '/oidc/jwks/clients',
      noncePath: '/oidc/jwks/nonce',
      proof: 'strict',
      accessToken: {
        type: 'introspection',
        url: 'https://a.example/i',
        clientId: 'c',
        clientSecretFile: `${etc}/secret`,
      },
      scope: 'client_jwks_registration_scope',
      audience: 'https://keys.example.org',
      store: { type: 'lmdb', path: expect.stringMatching(/work\/data\/registrations$/) },
      keyTtl: 400 * 86_400_000,
      maxKeysPerClient: 100,
      nonceRequired: false,
      uniqueAcrossClients: false,
      disabledClients: [],
      rateLimit: { max: 5, window: 1000 },
    });
  });

  test('keys of validation.okera become sources with their algorithm, and a set for tokens of any issuer', async () => {
    const result = await config({
      yaml: `validation:
  okera: { publicKeys: [file:///etc/jwt/a.pub, "file:///etc/jwt/b%20c.pub"], algorithms: [RSA256, RS512] }
`,
    });
    expect(result.sources).toMatchObject([
      { type: 'files', name: 'okera-keys-1', path: '/etc/jwt/a.pub', alg: 'RS256' },
      { type: 'files', name: 'okera-keys-2', path: '/etc/jwt/b c.pub', alg: 'RS512' },
    ]);
    expect(result.sets).toMatchObject([
      { name: 'okera-keys', sources: ['okera-keys-1', 'okera-keys-2'], paths: [], pemPaths: [] },
    ]);
    expect(result.validation?.issuers).toMatchObject([{ issuer: null, set: 'okera-keys', algorithms: null }]);
  });

  test('the public URL loses its last slash', async () => {
    const yaml = `server: { publicUrl: "https://keys.example.org/" }\n${source}`;
    expect((await config({ yaml })).server.publicUrl).toBe('https://keys.example.org');
  });
});

test('a problem is one line: where, which key, what', async () => {
  const { result, etc } = await load({ yaml: `${source}server:\n  port: x\n` });
  const [problem] = result.ok ? [] : result.problems;
  expect(problem && formatProblem(problem)).toBe(
    `${etc}/jwksd.yaml:3: server.port: must be a whole number from 0 to 65535, not "x"`,
  );
});

test('a file that loads says where it is', async () => {
  const result = await loaded({ yaml: source });
  expect(path.basename(result.file)).toBe('jwksd.yaml');
  expect(result.builtIn).toBe(false);
});
