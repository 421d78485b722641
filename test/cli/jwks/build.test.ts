import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../fakes/jwksd.ts';
import { run } from '../world.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
beforeEach(async () => {
  directory = await temporaryDirectory();
});
afterEach(async () => await directory[Symbol.asyncDispose]());

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const spki = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }) as string;
const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;
const at = (name: string): string => path.join(directory.path, name);
const put = async (name: string, text: string): Promise<void> => await writeFile(at(name), text);
const build = async (...argv: string[]) => await run(['jwks', 'build', ...argv], { cwd: directory.path });
const keysOf = (text: string) => (JSON.parse(text) as { keys: Record<string, unknown>[] }).keys;

test('files of any form become one set, complete and public', async () => {
  await put('a.pem', pkcs8(ec.privateKey));
  await put('b.pem', spki(rsa.publicKey));
  await put('c.json', JSON.stringify({ keys: [{ ...ec.publicKey.export({ format: 'jwk' }), kid: 'c' }] }));
  const { code, stdout, stderr } = await build(
    'a.pem',
    'b.pem',
    'c.json',
    '--alg',
    'RS256',
    '-o',
    'out.json',
  );
  expect([code, stdout]).toEqual([0, '']);
  expect(stderr).toContain('out.json: 3 keys');
  expect(stderr).toContain('a.pem holds a private key');
  const text = await readFile(at('out.json'), 'utf8');
  expect(text).not.toContain('"d"');
  expect(keysOf(text).map(({ kty, alg, use }) => [kty, alg, use])).toEqual([
    ['EC', 'ES256', 'sig'],
    ['RSA', 'RS256', 'sig'],
    ['EC', 'ES256', 'sig'],
  ]);
  expect(keysOf(text)[2]?.['kid']).toBe('c');
  expect((await stat(at('out.json'))).mode & 0o777).toBe(0o644);
});

test('stdin is a file, and stdout where no other output is named', async () => {
  const { code, stdout } = await run(['jwks', 'build', '-'], { stdin: spki(ec.publicKey) });
  expect(code).toBe(0);
  expect(keysOf(stdout)).toHaveLength(1);
});

test('bad files are all named, and nothing is written', async () => {
  await put('good.pem', spki(ec.publicKey));
  await put('bad.pem', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n');
  await put('mixed.json', JSON.stringify({ keys: [ec.publicKey.export({ format: 'jwk' }), { kty: 'oct' }] }));
  await put('out.json', 'old');
  await mkdir(at('folder'));
  const argv = [
    'good.pem',
    'bad.pem',
    'none.pem',
    'mixed.json',
    'folder',
    'https://a.example/',
    '-o',
    'out.json',
  ];
  const { code, stdout, stderr } = await build(...argv);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toContain('because 5 files cannot be used');
  for (const name of ['bad.pem', 'none.pem', 'mixed.json', 'folder', 'https://a.example/']) {
    expect(stderr).toContain(`\n  ${name}`);
  }
  expect(stderr).not.toContain('good.pem');
  expect(await readFile(at('out.json'), 'utf8')).toBe('old');
  expect((await readdir(directory.path)).filter((name) => name.startsWith('.'))).toEqual([]);
});

describe('a key that is there twice', () => {
  test('is written once', async () => {
    await put('a.pem', spki(ec.publicKey));
    await put('b.pem', pkcs8(ec.privateKey));
    expect(keysOf((await build('a.pem', 'b.pem')).stdout)).toHaveLength(1);
  });

  test('under one kid for two keys is refused', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    await put('a.json', JSON.stringify({ ...ec.publicKey.export({ format: 'jwk' }), kid: 'same' }));
    await put('b.json', JSON.stringify({ ...other.publicKey.export({ format: 'jwk' }), kid: 'same' }));
    const { code, stdout, stderr } = await build('a.json', 'b.json');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('a.json and b.json hold different keys of kid "same"');
  });
});

describe('a profile', () => {
  test('leaves out what its clients cannot read, and says so', async () => {
    await put('a.pem', spki(ec.publicKey));
    await put('b.pem', spki(rsa.publicKey));
    const { stdout, stderr } = await build('a.pem', 'b.pem', '--profile', 'jitsi');
    expect(keysOf(stdout).map(({ kty }) => kty)).toEqual(['RSA']);
    expect(stderr).toContain('is left out for profile jitsi: not_rsa');
  });

  test.each([
    ['opencast', ['a.pem', 'b.pem', '--alg', 'RS256'], 'of several types (EC, RSA)'],
    ['jitsi', ['a.pem'], 'none of the keys is for its clients'],
  ])('%s refuses what would not work', async (profile, files, reason) => {
    await put('a.pem', spki(ec.publicKey));
    await put('b.pem', spki(rsa.publicKey));
    const { code, stdout, stderr } = await build(...files, '--profile', profile);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(reason);
  });
});

describe('the output', () => {
  beforeEach(async () => await put('a.pem', spki(ec.publicKey)));

  test('may be one of the inputs', async () => {
    await put('b.pem', spki(rsa.publicKey));
    await build('a.pem', '-o', 'set.json');
    expect((await build('set.json', 'b.pem', '-o', 'set.json')).code).toBe(0);
    expect(keysOf(await readFile(at('set.json'), 'utf8'))).toHaveLength(2);
  });

  test('behind a symbolic link is replaced where it lies', async () => {
    await put('real.json', 'old');
    await symlink('real.json', at('link.json'));
    expect((await build('a.pem', '-o', 'link.json')).code).toBe(0);
    expect((await lstat(at('link.json'))).isSymbolicLink()).toBe(true);
    expect(keysOf(await readFile(at('real.json'), 'utf8'))).toHaveLength(1);
  });

  test.each([
    ['/dev/null', 'is not a regular file'],
    ['.', 'is not a regular file'],
    ['none/set.json', 'the directory of none/set.json does not exist'],
  ])('is not %s', async (output, reason) => {
    const { code, stderr } = await build('a.pem', '-o', output);
    expect(code).toBe(1);
    expect(stderr).toContain(reason);
  });
});

test('without a file is wrong usage', async () => {
  expect((await build('-o', 'out.json')).code).toBe(2);
});
