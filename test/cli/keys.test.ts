import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { calculateJwkThumbprint } from 'jose';
import { describe, expect, test } from 'vitest';
import { kidDigest } from '../../src/jwk/kid-digest.ts';
import { temporaryDirectory } from '../fakes/jwksd.ts';
import { run } from './world.ts';

const json = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, 'utf8'));
const modeOf = async (file: string): Promise<string> => ((await stat(file)).mode & 0o777).toString(8);

const hasMlDsa = ((): boolean => {
  try {
    generateKeyPairSync('ml-dsa-44' as 'ed25519');
    return true;
  } catch {
    return false;
  }
})();

describe('keys digest', () => {
  test.each([
    [
      '1DKOk8q4Dc9BSgDLmksFemg5lEGuoYQvYrHVOnXNj3k',
      'e15452c2c03fc8afdb1d558953ab30ffd235a622fad1175de7f791a3c86eb08d',
    ],
    // FIPS 180-2, appendix B.1 and the empty message.
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ])('prints the 64 hex digits of %j alone', async (kid, digest) => {
    expect(await run(['keys', 'digest', kid])).toEqual({ code: 0, stdout: `${digest}\n`, stderr: '' });
  });

  test('takes a kid that starts with a dash after --', async () => {
    expect((await run(['keys', 'digest', '--', '-a'])).stdout).toMatch(/^[0-9a-f]{64}\n$/u);
    expect((await run(['keys', 'digest', '-a'])).code).toBe(2);
  });
});

describe('keys generate', () => {
  test.each([
    ['ES256', { kty: 'EC', crv: 'P-256' }],
    ['ES384', { kty: 'EC', crv: 'P-384' }],
    ['ES512', { kty: 'EC', crv: 'P-521' }],
    ['RS256', { kty: 'RSA' }],
    ['PS512', { kty: 'RSA' }],
    ['EdDSA', { kty: 'OKP', crv: 'Ed25519' }],
  ])('%s: makes a pair whose halves belong together, named by its thumbprint', async (alg, members) => {
    await using directory = await temporaryDirectory();
    const bits = members.kty === 'RSA' ? ['--bits', '2048'] : [];
    const argv = ['keys', 'generate', '--name', 'mine', '--alg', alg, ...bits];
    const { code, stdout, stderr } = await run(argv, { cwd: directory.path });
    expect(code).toBe(0);
    expect(stdout).toContain('keys/mine_private.pem');
    expect(stderr).toContain('jwksd serve --keys outputs');

    const at = (name: string): string => path.join(directory.path, name);
    const pem = await readFile(at('keys/mine_private.pem'), 'utf8');
    expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/u);
    expect(await modeOf(at('keys'))).toBe('700');
    expect(await modeOf(at('keys/mine_private.pem'))).toBe('600');
    expect(await modeOf(at('outputs/mine_public.jwk.json'))).toBe('644');

    const jwk = (await json(at('outputs/mine_public.jwk.json'))) as JsonWebKey & { kid: string };
    expect(jwk).toMatchObject({ ...members, use: 'sig', alg });
    expect(jwk.kid).toBe(await calculateJwkThumbprint(jwk as Parameters<typeof calculateJwkThumbprint>[0]));
    expect(Object.keys(jwk).filter((name) => ['d', 'p', 'q', 'k'].includes(name))).toEqual([]);
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
    expect(publicKey.equals(createPublicKey(createPrivateKey(pem)))).toBe(true);
    expect(await json(at('outputs/jwks.json'))).toEqual({ keys: [jwk] });
    expect(await readdir(at('outputs'))).toHaveLength(2);
  });

  test('adds to the set that is there', async () => {
    await using directory = await temporaryDirectory();
    const at = { cwd: directory.path };
    await run(['keys', 'generate', '--name', 'one', '--kid', 'first'], at);
    await run(['keys', 'generate', '--name', 'two', '--kid', 'second'], at);
    expect(await json(path.join(directory.path, 'outputs/jwks.json'))).toMatchObject({
      keys: [{ kid: 'first' }, { kid: 'second' }],
    });
  });

  test('overwrites nothing without --force, and with it leaves no second key behind', async () => {
    await using directory = await temporaryDirectory();
    const at = { cwd: directory.path };
    const argv = ['keys', 'generate', '--kid', 'same'];
    const file = path.join(directory.path, 'keys/key_private.pem');
    expect((await run(argv, at)).code).toBe(0);
    const before = await readFile(file, 'utf8');
    const again = await run(argv, at);
    expect([again.code, again.stdout]).toEqual([1, '']);
    expect(again.stderr).toMatch(/^jwksd: .* exists and is not overwritten; [^\n]+\n$/u);
    expect(await readFile(file, 'utf8')).toBe(before);

    expect((await run([...argv, '--force'], at)).code).toBe(0);
    expect(await readFile(file, 'utf8')).not.toBe(before);
    const set = (await json(path.join(directory.path, 'outputs/jwks.json'))) as { keys: object[] };
    expect(set.keys).toEqual([await json(path.join(directory.path, 'outputs/key_public.jwk.json'))]);
    expect(await modeOf(file)).toBe('600');
  });

  test('never writes a secret of an existing set again', async () => {
    await using directory = await temporaryDirectory();
    const file = path.join(directory.path, 'outputs/jwks.json');
    await mkdir(path.dirname(file));
    const { privateKey } = generateKeyPairSync('ed25519');
    for (const secret of [privateKey.export({ format: 'jwk' }), { kty: 'oct', k: 'c2VjcmV0' }]) {
      const before = JSON.stringify({ keys: [secret] });
      await writeFile(file, before);
      const { code, stderr } = await run(['keys', 'generate'], { cwd: directory.path });
      expect([code, stderr]).toEqual([1, expect.stringMatching(/private or symmetric.*move it away first/u)]);
      expect(await readFile(file, 'utf8')).toBe(before);
      expect(await readdir(directory.path)).toEqual(['outputs']);
    }
  });

  test('makes a missing set anew of the public keys beside it, and says so', async () => {
    await using directory = await temporaryDirectory();
    const at = { cwd: directory.path };
    const outputs = path.join(directory.path, 'outputs');
    for (const name of ['a', 'b']) await run(['keys', 'generate', '--name', name], at);
    await rm(path.join(outputs, 'a_public.jwk.json'));
    await rm(path.join(outputs, 'jwks.json'));
    const { code, stderr } = await run(['keys', 'generate', '--name', 'c'], at);
    expect([code, stderr]).toEqual([0, expect.stringContaining('made of the public keys beside it')]);
    const kept = await Promise.all(
      ['b', 'c'].map((name) => json(path.join(outputs, `${name}_public.jwk.json`))),
    );
    expect(await json(path.join(outputs, 'jwks.json'))).toEqual({ keys: kept });
  });

  test('a kid that would turn a terminal round reaches none, as text and as JSON', async () => {
    await using directory = await temporaryDirectory();
    const at = { cwd: directory.path };
    const kid = 'a\u202Eb';
    const made = await run(['keys', 'generate', '--kid', kid, '--for', 'opencast'], at);
    const file = 'outputs/jwks.json';
    const results = [
      made,
      await run(['keys', 'generate', '--kid', `${kid}2`, '--name', 'two', '--json'], at),
      await run(['keys', 'thumbprint', file, '--json'], at),
      await run(['keys', 'convert', file, '--to', 'jwks'], at),
      await run(['jwks', 'build', file], at),
      await run(['jwks', 'lint', file], at),
      await run(['keys', 'generate', '--kid', kid, '--name', 'three'], at),
    ];
    for (const { stdout, stderr } of results) expect(`${stdout}${stderr}`).not.toMatch(/[^\P{C}\n\uFFFD]/u);
    expect(JSON.parse(results[3]?.stdout ?? '')).toMatchObject({ keys: [{ kid }, { kid: `${kid}2` }] });
  });

  test('says of a place where nothing can be written what to do', async () => {
    await using directory = await temporaryDirectory();
    const at = { cwd: directory.path };
    await writeFile(path.join(directory.path, 'file'), '');
    const below = await run(['keys', 'generate', '--dir', 'file'], at);
    expect([below.code, below.stderr]).toEqual([1, expect.stringContaining('choose another place')]);
    await run(['keys', 'generate'], at);
    const to = ['keys', 'convert', 'outputs/jwks.json', '--to', 'jwks', '-o', 'no/y'];
    const { code, stderr } = await run(to, at);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/no\/y: .*make the directory first/u)]);
    expect(stderr).not.toContain('.tmp');
  });

  test.runIf(process.platform === 'linux')('ends where no directory can be made', async () => {
    expect((await run(['keys', 'generate', '--dir', '/proc/jwksd-test'])).code).toBe(1);
  });

  test('prints the public key and the files as JSON, and never the private key', async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout, stderr } = await run(['keys', 'generate', '--json', '--dir', 'd'], {
      cwd: directory.path,
    });
    const told = JSON.parse(stdout) as { privateKey: string; jwk: JsonWebKey };
    expect([code, stderr]).toEqual([0, '']);
    expect(told.privateKey).toBe(path.join(directory.path, 'd/keys/key_private.pem'));
    expect(Object.keys(told.jwk)).not.toContain('d');
  });

  test.each([
    [['--alg', 'HS256'], '--alg'],
    [['--alg', 'constructor'], '--alg'],
    [['--alg', 'RS256', '--bits', '1024'], '--bits'],
    [['--alg', 'RS256', '--bits', '16384'], '--bits'],
    [['--alg', 'RS256', '--bits', '2049'], 'multiple of 256'],
    [['--alg', 'ES256', '--bits', '2048'], 'leave it away'],
    [['--kid='], 'the thumbprint'],
    [['--alg', 'RS256', '--bits', 'many'], '--bits'],
    [['--name', '../escape'], '../escape'],
    [['--name', '.hidden'], '.hidden'],
    [['--name', ''], 'name'],
    [['--name', 'a'.repeat(101)], 'name'],
    [['--name', 'a'.repeat(300)], 'it has 300 characters'],
    [['--name', '🔑'], 'A-Z a-z'],
    [['--name', '-rf'], '--name=VALUE'],
    [['--name=-rf'], 'dash'],
    [['--alg', 'ES257'], 'ES256'],
    [['--for', 'moddle'], 'moodle'],
    [['--for', 'moodle', '--alg', 'EdDSA'], '64 raw bytes'],
    [['--for', 'moodle', '--alg', 'Ed25519'], '64 raw bytes'],
    [['--for', 'moodle', '--alg', 'ES512'], 'ES256 or ES384'],
    [['--for', 'moodle', '--encrypt'], 'encrypted'],
    [['--for', 'moodle', '--passphrase-file', 'pass'], 'encrypted'],
    [['--for', 'tobira', '--alg', 'RS256'], 'ES384'],
    [['--for', 'tobira', '--encrypt'], 'encrypted'],
    [['--for', 'jitsi', '--alg', 'ES256'], 'RS'],
    [['--for', 'opencast', '--alg', 'PS256'], 'RS256'],
    [['--for', 'opencast', '--alg', 'EdDSA'], 'ES256'],
    [['--compat', 'legacy'], '--for opencast'],
    [['--compat', 'legacy', '--for', 'jitsi'], '--for opencast'],
    [['--compat', 'modern', '--for', 'opencast'], 'legacy'],
    [['--encrypt'], '--passphrase-file'],
    [['--passphrase-file', '-'], 'stdin'],
    [['--kid', 'line\nbreak'], 'published'],
  ])('%j is refused with 2, and no file is made', async (argv, named) => {
    await using directory = await temporaryDirectory();
    const { code, stdout, stderr } = await run(['keys', 'generate', ...argv], { cwd: directory.path });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(named);
    expect(await readdir(directory.path)).toEqual([]);
  });

  test.each([
    [
      ['--for', 'moodle'],
      'moodle',
      'ES256',
      ['Private Key (full text)', 'Signing algorithm           ES256'],
    ],
    [['--for', 'moodle', '--alg', 'ES384'], 'moodle', 'ES384', ['Signing algorithm           ES384']],
    [['--for', 'opencast'], 'opencast', 'ES256', ['expectedAlgorithms', 'jwksUrl']],
    [['--for', 'opencast', '--alg', 'RS256', '--bits', '2048'], 'opencast', 'RS256', ['Octoka up to 1.2']],
    [['--for', 'tobira', '--name', 'mine'], 'mine', 'ES256', ['secret_key', 'keys/mine_private.pem']],
    [['--for', 'jitsi', '--bits', '2048'], 'jitsi', 'RS256', ['asap_key_server', '/certs/']],
    [['--for', 'jitsi', '--bits', '2048', '--alg', 'RS512'], 'jitsi', 'RS512', ['signature_algorithm']],
  ])('%j: makes what that client takes and says where it goes', async (argv, name, alg, words) => {
    await using directory = await temporaryDirectory();
    const { code, stdout, stderr } = await run(['keys', 'generate', ...argv], { cwd: directory.path });
    expect([code, stdout]).toEqual([0, expect.stringContaining(`keys/${name}_private.pem`)]);
    for (const word of words) expect(stderr).toContain(word);
    const jwk = await json(path.join(directory.path, `outputs/${name}_public.jwk.json`));
    expect(jwk).toMatchObject({ alg, use: 'sig', kid: expect.any(String) });
    if (argv[1] === 'jitsi') {
      expect(stderr).toContain(kidDigest((jwk as { kid: string }).kid));
    }
  });

  test('--compat legacy makes no key whose coordinates begin with a set bit', async () => {
    await using directory = await temporaryDirectory();
    for (const alg of ['ES256', 'ES384', 'ES512']) {
      for (let round = 0; round < 8; round += 1) {
        const argv = ['--for', 'opencast', '--compat', 'legacy', '--alg', alg, '--force'];
        expect((await run(['keys', 'generate', ...argv], { cwd: directory.path })).code).toBe(0);
      }
      const { keys } = (await json(path.join(directory.path, 'outputs/jwks.json'))) as { keys: JsonWebKey[] };
      // A replaced key is not in the set any more, whatever its kid was.
      expect(keys).toHaveLength(1);
      for (const text of [keys[0]?.x, keys[0]?.y]) {
        expect((Buffer.from(text ?? '', 'base64url')[0] ?? 255) & 0x80).toBe(0);
      }
    }
  });

  test('a set of two types is refused where Opencast reads it, and told elsewhere', async () => {
    await using directory = await temporaryDirectory();
    const at = { cwd: directory.path };
    await run(['keys', 'generate', '--for', 'jitsi', '--bits', '2048'], at);
    const refused = await run(['keys', 'generate', '--for', 'moodle'], at);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('--dir')]);
    expect((await run(['keys', 'generate', '--for', 'moodle', '--dir', 'other'], at)).code).toBe(0);
    const told = await run(['keys', 'generate'], at);
    expect([told.code, told.stderr]).toEqual([0, expect.stringContaining('note: ')]);
  });

  test('a kid that the set has already is not taken without --force', async () => {
    await using directory = await temporaryDirectory();
    const at = { cwd: directory.path };
    await run(['keys', 'generate', '--name', 'one', '--kid', 'same'], at);
    const again = await run(['keys', 'generate', '--name', 'two', '--kid', 'same'], at);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('kid')]);
    expect(await readdir(path.join(directory.path, 'keys'))).toEqual(['one_private.pem']);
  });

  test.each([
    ['a line break at the end', 'correct horse\n'],
    ['Windows line ends and more lines', 'correct horse\r\nsecond'],
    ['a byte order mark', '\ufeffcorrect horse'],
  ])('encrypts with the first line of a file with %s', async (_what, text) => {
    await using directory = await temporaryDirectory();
    await writeFile(path.join(directory.path, 'pass'), text);
    const argv = ['keys', 'generate', '--encrypt', '--passphrase-file', 'pass'];
    const { code, stdout } = await run(argv, { cwd: directory.path });
    expect([code, stdout]).toEqual([0, expect.stringContaining('encrypted')]);
    const pem = await readFile(path.join(directory.path, 'keys/key_private.pem'), 'utf8');
    expect(pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/u);
    expect(pem).not.toContain('\r');
    const jwk = (await json(path.join(directory.path, 'outputs/key_public.jwk.json'))) as JsonWebKey;
    const opened = createPrivateKey({ key: pem, passphrase: 'correct horse' });
    expect(createPublicKey(opened).equals(createPublicKey({ key: jwk, format: 'jwk' }))).toBe(true);
    expect(() => createPrivateKey({ key: pem, passphrase: 'wrong' })).toThrow();
  });

  test('the passphrase may come from stdin', async () => {
    await using directory = await temporaryDirectory();
    const argv = ['keys', 'generate', '--passphrase-file', '-'];
    expect((await run(argv, { cwd: directory.path, stdin: 'from a manager\n' })).code).toBe(0);
    const pem = await readFile(path.join(directory.path, 'keys/key_private.pem'), 'utf8');
    expect(createPrivateKey({ key: pem, passphrase: 'from a manager' }).type).toBe('private');
  });

  test('ML-DSA where the runtime has it, and a clear refusal where not', async () => {
    await using directory = await temporaryDirectory();
    for (const alg of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87']) {
      const at = { cwd: directory.path };
      const { code, stderr } = await run(['keys', 'generate', '--alg', alg, '--name', alg], at);
      if (!hasMlDsa) {
        expect([code, stderr]).toEqual([1, expect.stringContaining('Node.js 24')]);
        expect(await readdir(directory.path)).toEqual([]);
        continue;
      }
      expect([code, stderr]).toEqual([0, expect.stringContaining('"full"')]);
      const jwk = (await json(path.join(directory.path, `outputs/${alg}_public.jwk.json`))) as object;
      expect(Object.keys(jwk).sort()).toEqual(['alg', 'kid', 'kty', 'pub', 'use']);
      expect(jwk).toMatchObject({ kty: 'AKP', alg });
      const converted = await run(['keys', 'convert', `keys/${alg}_private.pem`, '--private'], at);
      expect(JSON.parse(converted.stdout)).toMatchObject({
        ...jwk,
        priv: expect.stringMatching(/^[\w-]{43}$/u),
      });
    }
  });

  test('Ed25519 is written as it is called, with a warning that few know that name', async () => {
    await using directory = await temporaryDirectory();
    const { code, stderr } = await run(['keys', 'generate', '--alg', 'Ed25519'], { cwd: directory.path });
    expect([code, stderr]).toEqual([0, expect.stringContaining('Octoka')]);
    expect(await json(path.join(directory.path, 'outputs/key_public.jwk.json'))).toMatchObject({
      alg: 'Ed25519',
    });
  });

  test.each(['not json', '[]', '{"keys":{}}'])('leaves a jwks.json alone that is none (%s)', async (text) => {
    await using directory = await temporaryDirectory();
    const outputs = path.join(directory.path, 'outputs');
    await mkdir(outputs);
    await writeFile(path.join(outputs, 'jwks.json'), text);
    const { code, stderr } = await run(['keys', 'generate'], { cwd: directory.path });
    expect(code).toBe(1);
    expect(stderr).toContain('jwks.json');
    expect(await readFile(path.join(outputs, 'jwks.json'), 'utf8')).toBe(text);
    expect(await readdir(directory.path)).toEqual(['outputs']);
  });

  test('says what is wrong where it cannot write', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(path.join(directory.path, 'keys'), 'a file, not a directory');
    const { code, stderr } = await run(['keys', 'generate'], { cwd: directory.path });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^jwksd: [^\n]*keys[^\n]*\n$/u);
  });
});
