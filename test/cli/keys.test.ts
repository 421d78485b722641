import { createPrivateKey, createPublicKey, type JsonWebKey } from 'node:crypto';
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { calculateJwkThumbprint } from 'jose';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../fakes/jwksd.ts';
import { run } from './world.ts';

const json = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, 'utf8'));
const modeOf = async (file: string): Promise<string> => ((await stat(file)).mode & 0o777).toString(8);

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
    const argv = ['keys', 'generate', '--name', 'mine', '--alg', alg, '--bits', '2048'];
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
    [['--alg', 'RS256', '--bits', 'many'], '--bits'],
    [['--name', '../escape'], '../escape'],
    [['--name', '.hidden'], '.hidden'],
    [['--name', ''], 'name'],
    [['--name', 'a'.repeat(101)], 'name'],
    [['--kid', 'line\nbreak'], 'published'],
  ])('%j is refused with 2, and no file is made', async (argv, named) => {
    await using directory = await temporaryDirectory();
    const { code, stdout, stderr } = await run(['keys', 'generate', ...argv], { cwd: directory.path });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(named);
    expect(await readdir(directory.path)).toEqual([]);
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
