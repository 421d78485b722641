import { describe, expect, test } from 'vitest';
import type { UpstreamConfig } from '../../src/config/config.ts';
import { config, load, loaded, problems } from './workspace.ts';

const yaml = `server: { port: 1111 }
sources:
  my-idp: { type: jwks, url: https://sso.example.org/certs }
`;

const upstream = async (env: Readonly<Record<string, string>>, file = yaml): Promise<UpstreamConfig> => {
  const [source] = (await config({ yaml: file, env })).sources;
  if (source === undefined || source.type === 'files') throw new Error('no upstream');
  return source;
};

describe('a variable sets a key', () => {
  test('__ goes down, _ is a capital, and numbers are numbers', async () => {
    const { server, log } = await config({
      yaml,
      env: { JWKSD_SERVER__PORT: '9000', JWKSD_SERVER__REQUEST_TIMEOUT: '2s', JWKSD_LOG__LEVEL: 'debug' },
    });
    expect(server).toMatchObject({ port: 9000, requestTimeout: 2000 });
    expect(log.level).toBe('debug');
  });

  test('switches, null and words are told apart by the schema', async () => {
    const result = await config({
      yaml: `${yaml}state: { dir: x }\n`,
      env: {
        JWKSD_SERVER__LANDING_PAGE: 'false',
        JWKSD_SERVER__TRUST_PROXY: 'true',
        JWKSD_LOG__PRETTY: 'auto',
        JWKSD_STATE__DIR: 'null',
        JWKSD_OPS__TOKEN: 'true-but-long-enough',
      },
    });
    expect(result.server).toMatchObject({ landingPage: false, trustProxy: true });
    expect(result.log.pretty).toBe('auto');
    expect(result.state.dir).toBeNull();
    expect(result.ops.token).toBe('true-but-long-enough');
  });

  test('a list is separated by commas', async () => {
    const env = {
      JWKSD_CORS__ORIGINS: 'https://a.example, https://b.example,',
      JWKSD_SERVER__TRUST_PROXY: '10.0.0.0/8',
      JWKSD_SOURCES__MY_IDP__ALLOW_REDIRECT_HOSTS: '[]',
    };
    const result = await config({ yaml, env });
    expect(result.cors.origins).toEqual(['https://a.example', 'https://b.example']);
    expect(result.server.trustProxy).toEqual(['10.0.0.0/8']);
    expect(result.sources[0]).toMatchObject({ allowRedirectHosts: [] });
  });

  test('* stays a word where a list could stand too', async () => {
    const file = `${yaml}cors: { origins: [https://a.example] }\n`;
    expect((await config({ yaml: file, env: { JWKSD_CORS__ORIGINS: '*' } })).cors.origins).toBe('*');
  });

  test('a section that is null in the file gives way', async () => {
    const { result, work } = await load({
      yaml: yaml.replace('port: 1111', 'tls: null'),
      env: { JWKSD_SERVER__TLS__CERT_FILE: './c.pem', JWKSD_SERVER__TLS__KEY_FILE: '/k.pem' },
    });
    expect(result.ok && result.config.server.tls).toEqual({ certFile: `${work}/c.pem`, keyFile: '/k.pem' });
  });

  test('a section is turned off with null', async () => {
    const file = `${yaml}state: { dir: x }\n`;
    expect((await config({ yaml: file, env: { JWKSD_STATE: 'null' } })).state.dir).toBeNull();
  });

  test('an empty variable counts as not set', async () => {
    expect((await config({ yaml, env: { JWKSD_SERVER__PORT: '', JWKSD_NONSENSE: '' } })).server.port).toBe(
      1111,
    );
  });

  test('a wrong value is refused at its key, with the variable', async () => {
    const env = { JWKSD_SERVER__PORT: 'abc', JWKSD_SERVER__LANDING_PAGE: 'yes', JWKSD_SERVER: '8080' };
    const found = await problems({ yaml: yaml.split('\n').slice(1).join('\n'), env });
    expect(found.map(({ path, origin }) => [path, origin])).toEqual([
      ['server.port', 'env JWKSD_SERVER__PORT'],
      ['server.landingPage', 'env JWKSD_SERVER__LANDING_PAGE'],
    ]);
  });

  test('a section cannot be one value', async () => {
    const found = await problems({ yaml, env: { JWKSD_SERVER: '8080' } });
    expect(found).toMatchObject([{ path: 'server', origin: 'env JWKSD_SERVER' }]);
  });
});

describe('names of sources and sets', () => {
  test.each(['MY_IDP', 'my_idp', 'My_Idp'])('%s is the my-idp of the file', async (name) => {
    expect((await upstream({ [`JWKSD_SOURCES__${name}__MAX_STALE`]: '2h' })).maxStale).toBe(7_200_000);
  });

  test('a name with dots is found too', async () => {
    const file = 'sources: { sso.example.org: { type: jwks, url: https://a.example } }';
    const source = await upstream({ JWKSD_SOURCES__SSO_EXAMPLE_ORG__URL: 'https://b.example/x' }, file);
    expect(source).toMatchObject({ name: 'sso.example.org', url: 'https://b.example/x' });
  });

  test('a new name is taken in lower case, and its type from its key', async () => {
    const result = await config({ env: { JWKSD_SOURCES__KEYCLOAK__URL: 'https://sso.example.org/certs' } });
    expect(result.sources).toMatchObject([{ type: 'jwks', name: 'keycloak' }]);
    expect(result.sets).toMatchObject([{ name: 'default', sources: ['keycloak'] }]);
  });

  test.each([
    ['ISSUER', 'https://a.example', 'oidc'],
    ['PATH', './keys', 'files'],
  ])('%s makes a source of its type', async (key, value, type) => {
    expect((await config({ env: { [`JWKSD_SOURCES__A__${key}`]: value } })).sources).toMatchObject([
      { type, name: 'a' },
    ]);
  });

  test('a type that is given is kept', async () => {
    const env = { JWKSD_SOURCES__A__TYPE: 'oidc', JWKSD_SOURCES__A__URL: 'https://a.example' };
    expect((await problems({ env })).map(({ path }) => path)).toContain('sources.a.url');
  });

  test('the default set can be adjusted without being described', async () => {
    const result = await config({
      yaml,
      env: { JWKSD_SETS__DEFAULT__PROFILE: 'jitsi', JWKSD_SETS__DEFAULT__MAX_AGE: '2m' },
    });
    expect(result.sets).toMatchObject([
      { name: 'default', sources: ['my-idp'], profile: 'jitsi', maxAge: 120_000, pemPaths: ['/', '/certs'] },
    ]);
  });

  test('a name that means two sources is refused', async () => {
    const file = `sources: { a-b: { type: files, path: x }, a.b: { type: files, path: y } }\nsets: { s: { sources: [a-b, a.b] } }`;
    const found = await problems({ yaml: file, env: { JWKSD_SOURCES__A_B__POLL: '5s' } });
    expect(found).toMatchObject([
      { origin: 'env JWKSD_SOURCES__A_B__POLL', message: expect.stringContaining('a-b and a.b') },
    ]);
  });

  test('a header may be named', async () => {
    expect((await upstream({ JWKSD_SOURCES__MY_IDP__HEADERS__X_API_KEY: 'k' })).headers).toEqual({
      'x-api-key': 'k',
    });
  });
});

describe('_FILE', () => {
  test('gives a text key the content of a file without its line end', async () => {
    const { ops } = await config({
      yaml,
      env: { JWKSD_OPS__TOKEN_FILE: './token' },
      files: { token: '0123456789abcdef\r\n' },
    });
    expect(ops.token).toBe('0123456789abcdef');
  });

  test('gives a header its value', async () => {
    const { sources } = await config({
      yaml,
      env: { JWKSD_SOURCES__MY_IDP__HEADERS__X_KEY_FILE: 'k' },
      files: { k: 'v\n' },
    });
    expect(sources).toMatchObject([{ headers: { 'x-key': 'v' } }]);
  });

  test('leaves keys alone whose own name ends so', async () => {
    const { result, work } = await load({
      yaml,
      env: { JWKSD_SOURCES__MY_IDP__BEARER_TOKEN_FILE: 'missing' },
    });
    expect(result.ok && result.config.sources).toMatchObject([{ bearerTokenFile: `${work}/missing` }]);
  });

  test('may give the path that such a key wants', async () => {
    const env = { JWKSD_SOURCES__MY_IDP__CA_FILE_FILE: 'where' };
    const { sources } = await config({ yaml, env, files: { where: '/etc/ca.pem\n' } });
    expect(sources).toMatchObject([{ caFile: '/etc/ca.pem' }]);
  });

  test('and the key itself is a secret given twice', async () => {
    const env = { JWKSD_OPS__TOKEN: '0123456789abcdef', JWKSD_OPS__TOKEN_FILE: 'token' };
    const found = await problems({ yaml, env, files: { token: 'x' } });
    expect(found).toMatchObject([
      { path: 'ops.token', message: expect.stringMatching(/given twice.*TOKEN and by.*TOKEN_FILE/) },
    ]);
  });

  test.each([
    ['that is missing', 'nothing', {}, /no such file/],
    ['that is a directory', '.', {}, /directory/],
    ['that is too large', 'big', { big: 'x'.repeat(70_000) }, /larger than 64 KiB/],
    ['that is not UTF-8', 'bin', { bin: new Uint8Array([0xff, 0xfe]) }, /UTF-8/],
    ['without end', '/dev/zero', {}, /larger than 64 KiB/],
  ])('names a file %s', async (_title, file, files, message) => {
    const found = await problems({ yaml, env: { JWKSD_OPS__TOKEN_FILE: file }, files });
    expect(found).toMatchObject([{ path: 'ops.token', message: expect.stringMatching(message) }]);
  });

  test('is for text keys only', async () => {
    const found = await problems({ yaml, env: { JWKSD_SERVER__PORT_FILE: 'x' } });
    expect(found[0]?.message).toContain('not a key');
  });

  test('never lets a secret into a message', async () => {
    const found = await problems({ yaml, env: { JWKSD_OPS__TOKEN_FILE: 't' }, files: { t: 'hush hush' } });
    expect(found).toHaveLength(1);
    expect(JSON.stringify(found)).not.toContain('hush');
  });
});

describe('variables that are no keys', () => {
  test.each([
    ['JWKSD_SERVER_PORT', 'JWKSD_SERVER__PORT'],
    ['JWKSD_SERVER__PRT', 'JWKSD_SERVER__PORT'],
    ['JWKSD_SOURCES__MY_IDP__MAXSTALE', 'JWKSD_SOURCES__MY_IDP__MAX_STALE'],
    ['JWKSD_CONFG', 'JWKSD_CONFIG'],
  ])('%s is refused with a hint', async (name, hint) => {
    const found = await problems({ yaml, env: { [name]: '1' } });
    expect(found).toMatchObject([{ origin: `env ${name}`, message: expect.stringContaining(`"${hint}"`) }]);
  });

  test.each([
    'JWKSD_',
    'JWKSD___',
    'JWKSD_SOURCES__',
    'JWKSD_SOURCES____URL',
    'JWKSD_SERVER____PORT',
    'JWKSD_SERVER__PORT__X',
  ])('%s is refused and nothing breaks', async (name) => {
    expect((await problems({ yaml, env: { [name]: '1' } })).length).toBeGreaterThan(0);
  });

  test.each(['__PROTO__', 'CONSTRUCTOR', 'PROTOTYPE'])('no name reaches a prototype: %s', async (name) => {
    const env = { [`JWKSD_SOURCES__${name}__URL`]: 'https://a.example', [`JWKSD_${name}__POLLUTED`]: '1' };
    expect((await problems({ yaml, env })).length).toBeGreaterThan(0);
    expect('polluted' in {} || 'url' in {}).toBe(false);
  });

  test('what Kubernetes sets for a service called jwksd is not ours', async () => {
    const env = {
      JWKSD_SERVICE_HOST: '10.0.0.1',
      JWKSD_SERVICE_PORT: '8080',
      JWKSD_SERVICE_PORT_HTTP: '8080',
      JWKSD_PORT: 'tcp://10.0.0.1:8080',
      JWKSD_PORT_8080_TCP: 'tcp://10.0.0.1:8080',
      JWKSD_PORT_8080_TCP_ADDR: '10.0.0.1',
      JWKSD_OPS_SERVICE_HOST: '10.0.0.1',
      JWKSD_OPS_PORT: 'tcp://10.0.0.1:9464',
    };
    expect((await loaded({ yaml, env })).warnings).toEqual([]);
  });

  test('but JWKSD_PORT with a number is a mistake', async () => {
    expect(await problems({ yaml, env: { JWKSD_PORT: '9000' } })).toHaveLength(1);
  });
});

describe('the variables of the product whose ways validation.okera has', () => {
  test.each([
    ['JWT_PUBLIC_KEY', { JWT_PUBLIC_KEY: 'file:///a.pub, file:///b.pub', JWT_ALGORITHM: 'RSA256,RS512' }],
    ['JWT_AUTHENTICATION_SERVER_URL', { JWT_AUTHENTICATION_SERVER_URL: 'http://127.0.0.1:9/userinfo' }],
  ])('%s alone turns it on, and nothing else is served', async (_name, env) => {
    const result = await config({ env });
    expect(result.validation?.okera).not.toBeNull();
    expect(result.sources.map(({ name }) => name)).toEqual(
      'JWT_PUBLIC_KEY' in env ? ['okera-keys-1', 'okera-keys-2'] : [],
    );
  });

  test('the others alone do nothing', async () => {
    const result = await config({ env: { JWT_ALGORITHM: 'RS256', SYSTEM_TOKEN: 'file:///t' } });
    expect(result.validation).toBeNull();
  });

  test('they win over the file', async () => {
    const result = await config({
      yaml: 'validation: { okera: { publicKeys: [file:///a.pub], algorithms: [RS256], systemSubject: root } }',
      env: { JWT_ALGORITHM: 'RS512', SYSTEM_TOKEN: 'file:///t' },
    });
    expect(result.sources).toMatchObject([{ path: '/a.pub', alg: 'RS512' }]);
    expect(result.validation?.okera).toMatchObject({ systemToken: '/t', systemSubject: 'root' });
  });

  test('another count of algorithms than keys is refused with the counts', async () => {
    const found = await problems({
      env: { JWT_PUBLIC_KEY: 'file:///a.pub,file:///b.pub', JWT_ALGORITHM: 'RS256' },
    });
    expect(found.map(({ path, message }) => [path, message])).toEqual([
      ['validation.okera.algorithms', expect.stringMatching(/one algorithm for each.*: 2, not 1/)],
    ]);
  });
});
