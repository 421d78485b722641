import { generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { certificatePem, makeCertificate } from '../../fakes/certificate.ts';
import { temporaryDirectory } from '../../fakes/jwksd.ts';
import { openSshPrivateKey } from '../../fakes/ssh.ts';
import { run } from '../world.ts';

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed = generateKeyPairSync('ed25519');
const spki = (key: KeyObject): string => key.export({ format: 'pem', type: 'spki' }).toString();
const pkcs8 = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }).toString();
const ecPem = pkcs8(ec.privateKey);
const ecJwk = ec.publicKey.export({ format: 'jwk' });
const sec1 = ec.privateKey.export({ format: 'pem', type: 'sec1' }).toString();
const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
const lock = { cipher: 'aes-256-cbc', passphrase: 'secret' } as const;

const convert = async (input: string, ...argv: readonly string[]) =>
  await run(['keys', 'convert', '-', ...argv], { stdin: input });
const ssh = async (name: string): Promise<string> =>
  await readFile(new URL(`../../fixtures/ssh/${name}`, import.meta.url), 'utf8');

describe('the public key', () => {
  const certificate = makeCertificate({ subject: 'a', publicKey: ec.publicKey, signer: ec.privateKey });
  test.each([
    ['SPKI', spki(ec.publicKey)],
    ['PKCS#8', ecPem],
    ['SEC1', sec1],
    ['SEC1 behind EC PARAMETERS', `${parameters}${sec1}`],
    ['a certificate', certificatePem(certificate)],
    ['a JWK', JSON.stringify(ecJwk)],
    ['a private JWK', JSON.stringify(ec.privateKey.export({ format: 'jwk' }))],
    ['a JWK Set', JSON.stringify({ keys: [ecJwk] })],
    ['Windows line ends', ecPem.replaceAll('\n', '\r\n')],
    ['a byte order mark and blank lines', `\ufeff\n\n${ecPem.replaceAll('\n', '\n\n')}`],
  ])('of %s comes out as JWK, JWK Set and SPKI', async (_what, input) => {
    const jwk = JSON.parse((await convert(input)).stdout) as JsonWebKey;
    expect(jwk).toMatchObject({ ...ecJwk, use: 'sig', alg: 'ES256', kid: expect.any(String) });
    expect(JSON.parse((await convert(input, '--to', 'jwks')).stdout)).toEqual({ keys: [jwk] });
    expect((await convert(input, '--to', 'spki')).stdout).toBe(spki(ec.publicKey));
    expect(JSON.stringify(jwk)).not.toContain(ec.privateKey.export({ format: 'jwk' }).d ?? '');
  });

  test('of RSA also as PKCS#1', async () => {
    const { stdout } = await convert(pkcs8(rsa.privateKey), '--to', 'pkcs1');
    expect(stdout).toBe(rsa.publicKey.export({ format: 'pem', type: 'pkcs1' }).toString());
  });

  test('of an OpenSSH line', async () => {
    expect((await convert(await ssh('ecdsa-384.pub'), '--to', 'spki')).stdout).toBe(
      await ssh('ecdsa-384.pem'),
    );
  });

  test('metadata of a JWK is kept', async () => {
    const input = JSON.stringify({
      ...rsa.publicKey.export({ format: 'jwk' }),
      kid: 'k',
      alg: 'PS256',
      x5u: 'no',
    });
    expect(JSON.parse((await convert(input)).stdout)).toEqual({
      ...rsa.publicKey.export({ format: 'jwk' }),
      kid: 'k',
      alg: 'PS256',
      use: 'sig',
    });
  });
});

describe('the private key, only with --private', () => {
  test.each([
    ['EC', ec, ['pkcs8', 'sec1', 'jwk', 'jwks']],
    ['RSA', rsa, ['pkcs8', 'pkcs1', 'jwk', 'jwks']],
    ['Ed25519', ed, ['pkcs8', 'jwk', 'jwks']],
  ])('of %s survives every way there and back', async (_type, pair, formats) => {
    const original = pkcs8(pair.privateKey);
    for (const to of formats) {
      const there = await convert(original, '--to', to, '--private');
      expect([to, there.code, there.stderr]).toEqual([to, 0, '']);
      const back = await convert(there.stdout, '--to', 'pkcs8', '--private');
      expect([to, back.stdout]).toEqual([to, original]);
    }
  });

  test.each([
    ['PKCS#8', ec.privateKey.export({ format: 'pem', type: 'pkcs8', ...lock }).toString()],
    ['SEC1', ec.privateKey.export({ format: 'pem', type: 'sec1', ...lock }).toString()],
  ])('of encrypted %s with its passphrase', async (_what, input) => {
    await using directory = await temporaryDirectory();
    await writeFile(path.join(directory.path, 'key'), input);
    await writeFile(path.join(directory.path, 'pass'), 'secret\n');
    await writeFile(path.join(directory.path, 'wrong'), 'wrong\n');
    const go = async (...argv: string[]) =>
      await run(['keys', 'convert', 'key', ...argv], { cwd: directory.path });
    const { stdout } = await go('--private', '--to', 'pkcs8', '--passphrase-file', 'pass');
    expect(stdout).toBe(ecPem);
    const wrong = await go('--passphrase-file', 'wrong');
    expect([wrong.code, wrong.stdout, wrong.stderr]).toEqual([
      1,
      '',
      expect.stringContaining('does not open'),
    ]);
    const none = await go();
    expect([none.code, none.stdout, none.stderr]).toEqual([
      1,
      '',
      expect.stringContaining('--passphrase-file'),
    ]);
  });

  test.each([
    ['EC', ec],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' })],
    ['RSA', rsa],
    ['Ed25519', ed],
  ])('of OpenSSH %s', async (_type, pair) => {
    const { stdout, stderr } = await convert(
      openSshPrivateKey(pair.privateKey),
      '--private',
      '--to',
      'pkcs8',
    );
    expect([stdout, stderr]).toEqual([pkcs8(pair.privateKey), '']);
  });

  test('of OpenSSH that is cut off anywhere is refused', async () => {
    const whole = openSshPrivateKey(ed.privateKey).split('\n').slice(1, -2).join('');
    for (let length = 0; length < whole.length; length += 16) {
      const body = whole.slice(0, length);
      const pem = `-----BEGIN OPENSSH PRIVATE KEY-----\n${body}\n-----END OPENSSH PRIVATE KEY-----\n`;
      expect(await convert(pem, '--private')).toMatchObject({ code: 1, stdout: '' });
    }
  });

  test('of encrypted OpenSSH is not opened, and the public one needs no passphrase', async () => {
    const input = openSshPrivateKey(ed.privateKey, 'aes256-ctr');
    expect((await convert(input, '--to', 'spki')).code).toBe(0);
    const { code, stdout, stderr } = await convert(input, '--private');
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringContaining('ssh-keygen -p')]);
  });

  test('keeps what the JWK says, with the operations of a private key', async () => {
    const jwk = { ...ec.privateKey.export({ format: 'jwk' }), kid: 'k', key_ops: ['sign'] };
    const { stdout } = await convert(JSON.stringify(jwk), '--private');
    expect(JSON.parse(stdout)).toEqual({ ...jwk, use: 'sig', alg: 'ES256' });
    expect(JSON.parse((await convert(JSON.stringify(jwk))).stdout)).toMatchObject({ key_ops: ['verify'] });
  });

  test('is not shown on a terminal', async () => {
    const written: string[] = [];
    const { cli } = await import('../../../src/cli/cli.ts');
    const { Readable } = await import('node:stream');
    const code = await cli(['keys', 'convert', '-', '--private'], {
      stdin: Readable.from([Buffer.from(ecPem)]),
      stdout: { write: (text) => written.push(text), isTTY: true },
      stderr: { write: () => true },
      env: {},
      cwd: '/',
    });
    expect([code, written]).toEqual([2, []]);
  });
});

describe('-o', () => {
  test.each([
    ['a private key', ['--private', '--to', 'pkcs8'], '600'],
    ['a public key', [], '644'],
  ])('writes %s with its mode, and overwrites nothing without --force', async (_what, argv, mode) => {
    await using directory = await temporaryDirectory();
    const go = async (...more: string[]) =>
      await run(['keys', 'convert', '-', '-o', 'out', ...argv, ...more], {
        cwd: directory.path,
        stdin: ecPem,
      });
    expect(await go()).toEqual({ code: 0, stdout: '', stderr: '' });
    const out = path.join(directory.path, 'out');
    expect(((await stat(out)).mode & 0o777).toString(8)).toBe(mode);
    await writeFile(out, 'old');
    expect(await go()).toMatchObject({ code: 1, stderr: expect.stringContaining('--force') });
    expect(await readFile(out, 'utf8')).toBe('old');
    expect((await go('--force')).code).toBe(0);
    expect(await readFile(out, 'utf8')).toBe((await convert(ecPem, ...argv)).stdout);
  });
});

describe('what cannot be converted says what to do, and nothing is written', () => {
  const k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const p224 = generateKeyPairSync('ec', { namedCurve: 'secp224r1' });
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const foreign = {
    ...ec.privateKey.export({ format: 'jwk' }),
    d: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }).d,
  };
  const { n, e, d } = rsa.privateKey.export({ format: 'jwk' });

  test.each([
    ['literal line breaks', ecPem.replaceAll('\n', String.raw`\n`), [], 'real line break'],
    [
      'literal line breaks behind EC PARAMETERS',
      `${parameters}${sec1}`.replaceAll('\n', String.raw`\n`),
      [],
      'real line break',
    ],
    ['indentation', ecPem.replaceAll(/^/gmu, '  '), [], 'remove the spaces'],
    [
      'encryption',
      ec.privateKey.export({ format: 'pem', type: 'pkcs8', ...lock }).toString(),
      [],
      '--passphrase-file',
    ],
    ['secp256k1', pkcs8(k1.privateKey), [], 'jwksd keys generate --alg ES256'],
    ['secp256k1 as a JWK', JSON.stringify(k1.publicKey.export({ format: 'jwk' })), [], 'secp256k1'],
    ['P-224', pkcs8(p224.privateKey), [], 'jwksd keys generate --alg ES256'],
    ['RSA-1024', pkcs8(short.privateKey), [], 'jwksd keys generate --alg RS256'],
    ['an alg of another curve', JSON.stringify({ ...ecJwk, alg: 'ES384' }), [], 'correct its "alg"'],
    ['a symmetric key', '{"kty":"oct","k":"AAAA"}', [], 'nothing to publish'],
    ['a comment', `{ // mine\n"keys":[]}`, [], 'not JSON'],
    ['a public key as private one', spki(ec.publicKey), ['--private'], 'no private key'],
    ['halves of two pairs', JSON.stringify(foreign), ['--private'], 'belong to'],
    ['an RSA key without its primes', JSON.stringify({ kty: 'RSA', n, e, d }), ['--private'], 'p, q'],
    ['a set without keys', '{"keys":[]}', [], 'holds no key'],
    ['two keys as one', `${ecPem}${pkcs8(rsa.privateKey)}`, [], '--to jwks'],
    ['a good key beside a bad one', `${pkcs8(short.privateKey)}${ecPem}`, ['--to', 'spki'], '1024'],
    ['EC as PKCS#1', ecPem, ['--to', 'pkcs1'], '--to spki'],
    ['RSA as SEC1', pkcs8(rsa.privateKey), ['--to', 'sec1', '--private'], '--to pkcs8'],
    ['nothing', '', [], 'empty'],
  ])('%s', async (_what, input, argv, words) => {
    const { code, stdout, stderr } = await convert(input, ...argv);
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringContaining(words)]);
    expect(stderr).not.toContain(String(ec.privateKey.export({ format: 'jwk' }).d));
  });

  test.each([
    [['--to', 'pkcs8'], '--private'],
    [['--to', 'sec1'], '--private'],
    [['--to', 'spki', '--private'], 'pkcs8'],
    [['--to', 'der'], 'cannot be "der"'],
    [['more'], 'one FILE'],
    [['--passphrase-file', '-'], 'stdin'],
  ])('%j is wrong usage', async (argv, words) => {
    const { code, stdout, stderr } = await convert(ecPem, ...argv);
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(words)]);
  });
});

const print = async (input: string, ...argv: string[]) =>
  await run(['keys', 'thumbprint', '-', ...argv], { stdin: input });

describe('keys thumbprint', () => {
  // RFC 7638 §3.1.
  const rfc = {
    kty: 'RSA',
    n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
    e: 'AQAB',
    alg: 'RS256',
    kid: '2011-04-29',
  };
  const known = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs';
  test('is that of RFC 7638 §3.1', async () => {
    expect(await print(JSON.stringify(rfc))).toEqual({ code: 0, stdout: `${known}\n`, stderr: '' });
  });

  test('is one for each key of a set, in its order', async () => {
    const { stdout } = await print(JSON.stringify({ keys: [ecJwk, rfc] }));
    expect(stdout).toMatch(new RegExp(`^[\\w-]{43}\n${known}\n$`, 'u'));
    const json = await print(JSON.stringify({ keys: [rfc] }), '--json');
    expect(JSON.parse(json.stdout)).toEqual([{ thumbprint: known, kid: '2011-04-29', kty: 'RSA' }]);
  });

  test('is the same for all forms of a key, the private ones included', async () => {
    const prints = [];
    for (const input of [ecPem, sec1, spki(ec.publicKey), JSON.stringify(ecJwk)])
      prints.push((await print(input)).stdout);
    expect(new Set(prints).size).toBe(1);
  });

  test('a bad key fails the command and costs no other key', async () => {
    const { code, stdout, stderr } = await print(JSON.stringify({ keys: [{ kty: 'EC' }, rfc] }));
    expect([code, stdout, stderr]).toEqual([1, `${known}\n`, expect.stringContaining('key 1: crv')]);
  });
});
