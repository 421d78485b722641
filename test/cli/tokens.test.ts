import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, exportJWK, importSPKI, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../fakes/jwksd.ts';
import { FakeUpstream, ok } from '../fakes/upstream.ts';
import { signedAs, signer } from '../tokens/signer.ts';
import { run, type Result } from './world.ts';

const modeOf = async (file: string): Promise<string> => ((await stat(file)).mode & 0o777).toString(8);
const later = Math.floor(Date.now() / 1000) + 3600;

// One directory with every kind of key; RSA-4096 takes its time, so `tokens init` runs once.
let home: Awaited<ReturnType<typeof temporaryDirectory>>;
let initialised: Result;
const es = signer('ES256', 'es');
const rs = signer('RS256', 'rs');
const at = (...names: readonly string[]): string => path.join(home.path, ...names);
const jwksd = async (argv: readonly string[], stdin?: string): Promise<Result> =>
  await run(argv, { cwd: home.path, ...(stdin === undefined ? {} : { stdin }) });
const put = async (name: string, content: string | object): Promise<string> => {
  await writeFile(at(name), typeof content === 'string' ? content : JSON.stringify(content));
  return name;
};

beforeAll(async () => {
  home = await temporaryDirectory();
  initialised = await jwksd(['tokens', 'init']);
  await put('es.pem', es.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString());
  await put('rs.pem', rs.privateKey.export({ format: 'pem', type: 'pkcs1' }).toString());
  await put('set.json', { keys: [es.publicJwk, rs.publicJwk] });
}, 120_000);

afterAll(async () => await home[Symbol.asyncDispose]());

const sign = async (key: string, ...more: readonly string[]): Promise<Result> =>
  await jwksd(['tokens', 'create', 'j', 'R', '--profile', 'opencast', '--key', key, ...more]);
const verify = async (token: string, jwks = 'set.json'): Promise<Result> =>
  await jwksd(['tokens', 'verify', '-', '--jwks', jwks], token);

describe('tokens init', () => {
  test('makes the key pair and the system token of Okera', async () => {
    expect(initialised.code).toBe(0);
    expect(initialised.stdout).toContain('.auth/system.token');
    expect(initialised.stderr).toMatch(/^warning: [^\n]*100 days[^\n]*\n$/u);
    expect(await modeOf(at('.auth'))).toBe('700');
    expect(await modeOf(at('.auth/id_rsa'))).toBe('600');
    expect(await modeOf(at('.auth/id_rsa.pub'))).toBe('644');
    expect(await modeOf(at('.auth/system.token'))).toBe('600');
    expect(await readFile(at('.auth/id_rsa'), 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/u);
    const spki = await readFile(at('.auth/id_rsa.pub'), 'utf8');
    expect(spki).toMatch(/^-----BEGIN PUBLIC KEY-----\n/u);
    expect(createPublicKey(spki).asymmetricKeyDetails?.modulusLength).toBe(4096);

    const token = await readFile(at('.auth/system.token'), 'utf8');
    const { payload, protectedHeader } = await jwtVerify(token, await importSPKI(spki, 'RS512'));
    expect(protectedHeader).toEqual({ typ: 'JWT', alg: 'RS512', kid: expect.any(String) });
    expect(payload).toMatchObject({ sub: 'okera', groups: ['root'] });
    expect(Number(payload.exp) - Number(payload.iat)).toBe(8_640_000);
  });

  test('says that others may change a directory that was there', async () => {
    await mkdir(at('open'));
    await chmod(at('open'), 0o777);
    const { code, stderr } = await jwksd(['tokens', 'init', '--dir', 'open']);
    expect([code, stderr]).toEqual([0, expect.stringContaining('close it with chmod 700')]);
  }, 120_000);

  test('overwrites nothing, whichever of the files is there', async () => {
    const again = await jwksd(['tokens', 'init']);
    expect([again.code, again.stdout]).toEqual([1, '']);
    expect(again.stderr).toMatch(/^jwksd: \.auth\/id_rsa exists and is not overwritten; [^\n]+\n$/u);
    for (const name of ['id_rsa', 'id_rsa.pub', 'system.token']) {
      const directory = `only-${name}`;
      await mkdir(at(directory));
      await put(`${directory}/${name}`, 'mine');
      expect((await jwksd(['tokens', 'init', '--dir', directory])).code).toBe(1);
      expect(await readdir(at(directory))).toEqual([name]);
      expect(await readFile(at(directory, name), 'utf8')).toBe('mine');
    }
  });

  test('takes no operand', async () => {
    expect((await jwksd(['tokens', 'init', 'here'])).code).toBe(2);
  });
});

describe('tokens create', () => {
  test('saves a token of Okera for its owner only, which show prints and the public key verifies', async () => {
    const made = await jwksd(['tokens', 'create', 'jane', 'analysts', 'ops', '--ttl', '30d']);
    expect(made).toEqual({ code: 0, stdout: '', stderr: 'saved .auth/jane.token\n' });
    expect(await modeOf(at('.auth/jane.token'))).toBe('600');
    const shown = await jwksd(['tokens', 'show', 'jane']);
    expect(shown).toEqual({
      code: 0,
      stdout: `${await readFile(at('.auth/jane.token'), 'utf8')}\n`,
      stderr: '',
    });
    expect(decodeJwt(shown.stdout)).toMatchObject({ sub: 'jane', groups: ['analysts', 'ops'] });
    const verdict = await jwksd(['tokens', 'verify', '-', '--jwks', '.auth/id_rsa.pub'], shown.stdout);
    expect(verdict).toMatchObject({ code: 0, stderr: '' });
    expect(verdict.stdout).toMatch(/^valid: signed with RS512 by kid "[\w-]{43}", expires in 29 d\n$/u);
  });

  test('replaces a saved token with --force only', async () => {
    const argv = ['tokens', 'create', 'joe', '--ttl', '1d'];
    await jwksd(argv);
    const before = await readFile(at('.auth/joe.token'), 'utf8');
    const again = await jwksd(argv);
    expect([again.code, again.stdout]).toEqual([1, '']);
    expect(again.stderr).toContain('--force');
    expect(await readFile(at('.auth/joe.token'), 'utf8')).toBe(before);
    await chmod(at('.auth/joe.token'), 0o644);
    expect((await jwksd([...argv, '--force'])).code).toBe(0);
    expect(await readFile(at('.auth/joe.token'), 'utf8')).not.toBe(before);
    expect(await modeOf(at('.auth/joe.token'))).toBe('600');
  });

  test.each([
    ['system', 'system.token'],
    ['SYSTEM', 'system.token'],
    ['../x', 'cannot be a name'],
    ['.hidden', 'cannot be a name'],
    ['a/b', 'cannot be a name'],
    ['x'.repeat(300), '300 characters'],
    ['\u{1F600}', 'cannot be a name'],
    ['', 'empty'],
  ])('refuses the subject %j, which would become a file name', async (subject, named) => {
    const before = await readdir(at('.auth'));
    const { code, stdout, stderr } = await jwksd(['tokens', 'create', subject]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(named);
    expect(await readdir(at('.auth'))).toEqual(before);
  });

  test('prints the token of another profile, of any subject, and saves nothing', async () => {
    const before = await readdir(at('.auth'));
    const argv = ['tokens', 'create', '--key', 'es.pem', '--profile'];
    const moodle = await jwksd([...argv, 'moodle', '--course', '5', '--event', '8a7b:read,write']);
    expect(moodle).toMatchObject({ code: 0, stderr: '' });
    expect(moodle.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]{86}\n$/u);
    expect(decodeProtectedHeader(moodle.stdout)).toEqual({ typ: 'JWT', alg: 'ES256' });
    expect(decodeJwt(moodle.stdout)).toEqual({
      exp: expect.any(Number),
      roles: ['5_Learner'],
      oc: { 'e:8a7b': ['read', 'write'] },
    });
    const tobira = await jwksd([...argv, 'tobira', 'jane@example.org', 'ROLE_A']);
    expect(decodeJwt(tobira.stdout)).toMatchObject({ sub: 'jane@example.org', roles: ['ROLE_A'] });
    expect(await readdir(at('.auth'))).toEqual(before);
  });

  test('prints token, header and claims as JSON', async () => {
    const argv = ['tokens', 'create', '*', '--profile', 'jitsi', '--key', 'rs.pem', '--iss', 'app', '--json'];
    const { code, stdout } = await jwksd([...argv, '--room', 'tea', '--kid', 'k1', '--ttl', '5m']);
    const told = JSON.parse(stdout) as { token: string; header: object; claims: Record<string, number> };
    expect(code).toBe(0);
    expect(told.header).toEqual({ typ: 'JWT', alg: 'RS256', kid: 'k1' });
    expect(told.claims).toEqual(decodeJwt(told.token));
    expect(told.claims['exp']! - told.claims['nbf']!).toBe(300);
  });

  test('a --claim is JSON where it reads as JSON, else text', async () => {
    const values = [
      'n=1',
      'flag=true',
      'list=["a"]',
      'text=Jane Doe',
      'quoted="1"',
      'none=',
      'eq=a=b',
      'x=null',
    ];
    const claims = values.flatMap((each) => ['--claim', each]);
    const argv = ['tokens', 'create', 'j', 'R', '--profile', 'opencast', '--key', 'es.pem', ...claims];
    expect(decodeJwt((await jwksd(argv)).stdout)).toMatchObject({
      n: 1,
      flag: true,
      list: ['a'],
      text: 'Jane Doe',
      quoted: '1',
      none: '',
      eq: 'a=b',
      x: null,
    });
  });

  test.each([
    [['--ttl', '0s'], '--ttl'],
    [['--ttl', '500ms'], 'whole seconds'],
    [['--ttl', 'soon'], 'soon'],
    [['--ttl', '-5s'], '--ttl'],
    [['--claim', 'name'], 'NAME=VALUE'],
    [['--claim', '=x'], 'NAME=VALUE'],
    [['--claim', 'exp=1'], '--ttl'],
    [['--claim', 'a=1', '--claim', 'a=2'], 'twice'],
    [['--claim', 'a=1e999'], `write it as text: a='"1e999"'`],
    [['--claim', 'n=12345678901234567890'], `write it as text: n='"12345678901234567890"'`],
    [['--claim', `deep=${'['.repeat(50_000)}${']'.repeat(50_000)}`], 'nests deeper'],
    [['--claim', 'n=-9007199254740993'], 'write it as text'],
    [['--claim', 'n={"a":[9007199254740993]}'], 'write it as text, in quotes'],
    [['--event', 'abc'], 'ID:read'],
    [['--event', 'abc:'], 'ID:read'],
    [['--event', ':read'], 'ID:read'],
    [['--event', 'e:abc:read'], 'bare ID'],
    [['--course', '../5'], '--course'],
    [['--instructor'], '--course'],
    [['--kid', ''], '--kid'],
    [['--kid', 'a\nb'], '--kid'],
    [['--iss', ''], '--iss'],
    [['--force'], 'okera'],
    [['--alg', 'HS256'], '--alg'],
    [['--alg', 'RS256'], 'use ES256'],
    [['--profile', 'okra'], 'okera'],
  ])('refuses %j with 2', async (argv, named) => {
    const base = ['tokens', 'create', 'jane', 'R', '--profile', 'opencast', '--key', 'es.pem'];
    const { code, stdout, stderr } = await jwksd([...base, ...argv]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^jwksd: [^\n]+\n$/u);
    expect(stderr).toContain(named);
  });
});

describe('the signing key', () => {
  const { privateKey } = es;

  test.each<[string, () => string | object]>([
    ['PKCS#8', () => privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()],
    ['SEC1', () => privateKey.export({ format: 'pem', type: 'sec1' }).toString()],
    [
      'Windows line ends',
      () => privateKey.export({ format: 'pem', type: 'pkcs8' }).toString().replaceAll('\n', '\r\n'),
    ],
    ['PKCS#1', () => rs.privateKey.export({ format: 'pem', type: 'pkcs1' }).toString()],
    ['a private JWK', () => ({ ...privateKey.export({ format: 'jwk' }), kid: 'k' })],
    ['a set with one private JWK', () => ({ keys: [rs.publicJwk, privateKey.export({ format: 'jwk' })] })],
  ])('is read from %s', async (name, content) => {
    const file = await put('key', content());
    const { code, stdout, stderr } = await sign(file);
    expect([code, stderr], name).toEqual([0, '']);
    const set = createLocalJWKSet({ keys: [es.publicJwk, rs.publicJwk] });
    expect((await jwtVerify(stdout.trim(), set)).payload).toMatchObject({ sub: 'j', roles: ['R'] });
  });

  test('that is encrypted needs its passphrase in a file', async () => {
    const pem = privateKey.export({
      format: 'pem',
      type: 'pkcs8',
      cipher: 'aes-256-cbc',
      passphrase: 'sesame',
    });
    const file = await put('locked.pem', pem.toString());
    expect((await sign(file, '--passphrase-file', await put('pass', 'sesame\n'))).code).toBe(0);
    const wrong = await sign(file, '--passphrase-file', await put('pass2', 'guess\n'));
    const none = await sign(file);
    expect([wrong.code, none.code]).toEqual([1, 1]);
    expect(none.stderr).toContain('--passphrase-file');
    expect(wrong.stderr).toContain('passphrase');
    expect(wrong.stderr).not.toContain('guess');
  });

  test('of several is chosen with --kid', async () => {
    const jwks = {
      keys: [
        { ...es.privateKey.export({ format: 'jwk' }), kid: 'one' },
        { ...rs.privateKey.export({ format: 'jwk' }), kid: 'two' },
      ],
    };
    const file = await put('both.json', jwks);
    const unsaid = await sign(file);
    expect(unsaid.code).toBe(2);
    expect(unsaid.stderr).toContain('one, two');
    expect(decodeProtectedHeader((await sign(file, '--kid', 'two')).stdout)).toMatchObject({ alg: 'RS256' });
  });

  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
  const koblitz = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey;
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  test.each<[string, string, number, string]>([
    ['a public key', es.key.pem!, 1, 'no private key'],
    ['literal \\n', pem.replaceAll('\n', String.raw`\n`), 1, 'real line break'],
    ['indentation', pem.replaceAll(/^/gmu, '  '), 1, 'remove the spaces'],
    ['RSA-1024', small.export({ format: 'pem', type: 'pkcs8' }).toString(), 1, '2048'],
    ['secp256k1', koblitz.export({ format: 'pem', type: 'pkcs8' }).toString(), 2, 'secp256k1'],
    ['nothing', '', 1, 'empty'],
    ['a shopping list', 'milk, eggs', 1, 'neither'],
  ])('that is %s is refused, and the message says what to do', async (_, content, code, named) => {
    const result = await sign(await put('bad', content));
    expect([result.code, result.stdout]).toEqual([code, '']);
    expect(result.stderr).toMatch(/^jwksd: [^\n]+\n$/u);
    expect(result.stderr).toContain(named);
  });

  test('that is not there is named, with the command that makes it', async () => {
    const none = await jwksd(['tokens', 'create', 'j', '--dir', 'empty']);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('tokens init');
    expect((await sign('gone.pem')).stderr).toContain('gone.pem does not exist');
  });
});

describe('tokens show', () => {
  test('refuses names that are none and tokens that are not there', async () => {
    expect((await jwksd(['tokens', 'show', '../set'])).code).toBe(2);
    expect((await jwksd(['tokens', 'show'])).code).toBe(2);
    const none = await jwksd(['tokens', 'show', 'nobody']);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('tokens create nobody');
    const told = JSON.parse((await jwksd(['tokens', 'show', 'system', '--json'])).stdout) as { file: string };
    expect(told.file).toBe(at('.auth/system.token'));
  });
});

describe('tokens inspect', () => {
  test('prints header and claims, and warns on what clients stumble over', async () => {
    const token = es.token({ aud: ['a'], oc: ['e:1'] });
    const { code, stdout, stderr } = await jwksd(
      ['tokens', 'inspect', '-', '--jwks', 'set.json'],
      `\n ${token}\r\n`,
    );
    expect(code).toBe(0);
    expect(stdout).toContain('"kid": "es"');
    expect(stdout.match(/^warning [a-z-]+/gmu)).toEqual([
      'warning no-exp',
      'warning aud-array',
      'warning oc-array',
    ]);
    expect(stderr).toContain('not verified');
  });

  test('as JSON has codes for a script', async () => {
    const { stdout } = await jwksd([
      'tokens',
      'inspect',
      es.token({}),
      '--jwks',
      '.auth/id_rsa.pub',
      '--json',
    ]);
    const told = JSON.parse(stdout) as { warnings: { code: string }[] };
    expect(told.warnings.map(({ code }) => code)).toEqual(['kid-not-in-set', 'no-exp']);
  });

  test('shows no control character of a token', async () => {
    const token = es.token({ exp: later, name: '\u001B[2J\u202Egpj.exe\u009B31m\u{E0001}' });
    const { stdout } = await jwksd(['tokens', 'inspect', token]);
    expect(stdout).not.toMatch(/[^\P{C}\n]/u);
    expect(stdout).toContain(String.raw`\u202egpj.exe\u009b31m\udb40\udc01`);
  });

  test('says of a payload that it nests too deep, and of a kid that it is no string', async () => {
    const deep = es.token(`{"exp":${later},"a":${'['.repeat(70)}${']'.repeat(70)}}`);
    expect((await verify(deep)).stdout).toContain('nests deeper than 64 levels; make its claims flatter');
    expect((await jwksd(['tokens', 'inspect', deep])).stderr).toContain('it nests deeper than 64 levels');
    const { stdout } = await jwksd([
      'tokens',
      'inspect',
      es.token({ exp: later }, { kid: 5 }),
      '--jwks',
      'set.json',
    ]);
    expect(stdout).toContain('kid is not a string');
  });

  test('reads a payload of 1 MB and says that it is too large', async () => {
    const token = es.token({ exp: later, pad: 'x'.repeat(1_000_000) });
    const { code, stdout } = await jwksd(['tokens', 'inspect', '-'], token);
    expect(code).toBe(0);
    expect(stdout).toContain('warning too-large');
  });

  test.each(['', 'x', `${es.token({})}.x`])('refuses %j with 1', async (text) => {
    const { code, stdout, stderr } = await jwksd(['tokens', 'inspect', text]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^jwksd: this is not a signed JWT: [^\n]+\n$/u);
  });
});

describe('tokens verify', () => {
  test('says valid with 0, on the command line and on stdin, with white space around', async () => {
    const token = es.token({ exp: later });
    expect(await verify(`${token}\n`)).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await jwksd(['tokens', 'verify', token, '--jwks', 'set.json', '--json']);
    expect(JSON.parse(stdout)).toEqual({
      valid: true,
      kid: 'es',
      thumbprint: es.key.thumbprint,
      header: { alg: 'ES256', kid: 'es' },
      claims: { exp: later },
    });
  });

  test.each<[string, string, string]>([
    ['expired', es.token({ exp: later - 3 * 3600 }), 'expired'],
    [
      'of another alg',
      signedAs('PS256', rs.privateKey, { alg: 'PS256', kid: 'rs' }, { exp: later }),
      'alg_mismatch',
    ],
    ['of a kid nobody has', es.token({ exp: later }, { kid: 'who' }), 'unknown_kid'],
    ['of alg none', signedAs('ES256', es.privateKey, { alg: 'none' }, { exp: later }), 'alg_refused'],
    ['of four parts', `${es.token({ exp: later })}.x`, 'malformed'],
    ['of nothing', '', 'malformed'],
    ['of 1 MB', es.token({ exp: later, pad: 'x'.repeat(1_000_000) }), 'too_large'],
  ])('says of a token %s why not in one sentence, with 1', async (_, token, reason) => {
    const { code, stdout } = await verify(token);
    expect(code).toBe(1);
    expect(stdout).toMatch(new RegExp(String.raw`^not valid \(${reason}\): [^\n]+[;,:] [^\n]+\n$`, 'u'));
  });

  test('takes the public half of a private key, and says so', async () => {
    const { code, stderr } = await verify(es.token({ exp: later }, { kid: undefined }), 'es.pem');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: es\.pem holds a private key; [^\n]+\n$/u);
  });

  test('tries both of two keys with one kid', async () => {
    const twin = signer('ES256', 'es');
    const file = await put('twins.json', { keys: [twin.publicJwk, es.publicJwk] });
    expect((await verify(es.token({ exp: later }), file)).code).toBe(0);
    expect((await verify(twin.token({ exp: later }), file)).code).toBe(0);
  });

  test('reads a set behind a byte order mark, and refuses one with comments', async () => {
    const set = JSON.stringify({ keys: [es.publicJwk] });
    expect((await verify(es.token({ exp: later }), await put('bom.json', `\uFEFF${set}`))).code).toBe(0);
    const { code, stdout, stderr } = await verify(es.token({}), await put('comment.json', `// mine\n${set}`));
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('comment.json');
    expect(stderr).toContain('jwks lint');
  });

  test('asks a server for its set, and takes no private key from one', async () => {
    const keys = { open: { keys: [es.publicJwk] }, leak: { keys: [await exportJWK(es.privateKey)] } };
    await using upstream = await FakeUpstream.start({ handler: ok(keys.open) });
    expect((await verify(es.token({ exp: later }), upstream.url('/jwks').href)).code).toBe(0);
    upstream.handler = ok(keys.leak);
    const { code, stdout } = await verify(es.token({ exp: later }), upstream.url('/jwks').href);
    expect(code).toBe(1);
    expect(stdout).toContain('private_material');
  });

  test.each([
    [['tokens', 'verify', 'x'], '--jwks'],
    [['tokens', 'verify', '--jwks', 'set.json'], 'TOKEN'],
    [['tokens', 'verify', 'a', 'b', '--jwks', 'set.json'], 'TOKEN'],
    [['tokens', 'verify', '-', '--jwks', '-'], 'stdin'],
  ])('%j is wrong usage', async (argv, named) => {
    const { code, stderr } = await jwksd(argv);
    expect(code).toBe(2);
    expect(stderr).toContain(named);
  });
});
