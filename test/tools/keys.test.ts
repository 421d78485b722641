import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../cli/world.ts';
import { temporaryDirectory } from '../fakes/jwksd.ts';
import { missing, runProgram, type Ended } from './programs.ts';

// Programs that share no code with jwksd agree with it on thumbprints and on every conversion.

const python = '/usr/bin/python3';
const noOpenssl = missing('openssl', ['version'], 'openssl');
const noJose = missing('jose', ['alg'], 'jose');
const noJwcrypto = missing(python, ['-c', 'import jwcrypto'], 'python3-jwcrypto');
const noPhp = missing('php', ['-r', 'exit(function_exists("openssl_sign") ? 0 : 1);'], 'php-cli');
// It has no version to ask for, and complains about its usage when it is there.
const noSsh =
  runProgram('ssh-keygen', ['-?']).code === null
    ? ' (skipped: ssh-keygen cannot be had here; Debian has it in the package openssh-client)'
    : '';

const algs = ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA'] as const;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
const at = (name: string): string => path.join(directory.path, name);
const keyOf = (alg: string): string => at(`keys/${alg}_private.pem`);

beforeAll(async () => {
  directory = await temporaryDirectory();
  await writeFile(at('pass'), 'correct horse\n');
  for (const alg of algs) {
    const bits = /^[RP]S/u.test(alg) ? ['--bits', '2048'] : [];
    const argv = ['keys', 'generate', '--alg', alg, '--name', alg, ...bits, '--dir', '.'];
    expect((await run(argv, { cwd: directory.path })).code).toBe(0);
  }
  await mkdir(at('locked'));
  const argv = ['keys', 'generate', '--passphrase-file', 'pass', '--dir', 'locked'];
  expect((await run(argv, { cwd: directory.path })).code).toBe(0);
});
afterAll(async () => await directory[Symbol.asyncDispose]());

const jwksd = async (...argv: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(['keys', ...argv], { cwd: directory.path });
  expect([code, stderr], argv.join(' ')).toEqual([0, '']);
  return stdout;
};
const good = (ended: Ended): string => {
  expect(ended.code, ended.stderr).toBe(0);
  return ended.stdout;
};
const openssl = (args: readonly string[], input?: string): string =>
  good(runProgram('openssl', args, { cwd: directory.path, ...(input === undefined ? {} : { input }) }));
/** Everything OpenSSL knows of a private key, in one form. */
const allOf = (pem: string): string => openssl(['pkey', '-text'], pem);

describe.skipIf(noOpenssl !== '')(`openssl${noOpenssl}`, () => {
  test.each(algs)('%s: SPKI is byte for byte its own', async (alg) => {
    expect(await jwksd('convert', keyOf(alg), '--to', 'spki')).toBe(
      openssl(['pkey', '-in', keyOf(alg), '-pubout']),
    );
  });

  test.each(algs)('%s: reads every private form as the same key', async (alg) => {
    const original = allOf(await readFile(keyOf(alg), 'utf8'));
    const forms = [
      'pkcs8',
      ...(alg.startsWith('ES') ? ['sec1'] : []),
      ...(alg.startsWith('RS') ? ['pkcs1'] : []),
    ];
    for (const form of forms) {
      expect([form, allOf(await jwksd('convert', keyOf(alg), '--to', form, '--private'))]).toEqual([
        form,
        original,
      ]);
    }
    await writeFile(at('there.jwk'), await jwksd('convert', keyOf(alg), '--private'));
    expect(allOf(await jwksd('convert', 'there.jwk', '--to', 'pkcs8', '--private'))).toBe(original);
  });

  test('opens what jwksd encrypted, and jwksd opens what openssl encrypted, in both old and new form', async () => {
    const locked = at('locked/keys/key_private.pem');
    const opened = openssl(['pkey', '-in', locked, '-passin', 'file:pass']);
    expect(openssl(['pkey', '-pubout'], opened)).toBe(
      await jwksd('convert', locked, '--to', 'spki', '--passphrase-file', 'pass'),
    );
    for (const [name, args] of [
      ['pbes2', ['pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-in', keyOf('ES256')]],
      ['scrypt', ['pkcs8', '-topk8', '-scrypt', '-in', keyOf('ES256')]],
      ['sec1', ['ec', '-aes128', '-in', keyOf('ES256')]],
      ['pkcs1', ['rsa', '-aes256', '-traditional', '-in', keyOf('RS256')]],
    ] as const) {
      const out = `${name}.pem`;
      openssl([...args, '-out', out, '-passout', 'file:pass']);
      const plain = keyOf(name === 'pkcs1' ? 'RS256' : 'ES256');
      const pem = await jwksd('convert', out, '--to', 'pkcs8', '--private', '--passphrase-file', 'pass');
      expect([name, pem]).toEqual([name, await readFile(plain, 'utf8')]);
    }
  });

  test('keys, certificates and requests of its making are read', async () => {
    openssl(['ecparam', '-name', 'secp384r1', '-genkey', '-out', 'with-parameters.pem']);
    expect(await readFile(at('with-parameters.pem'), 'utf8')).toContain('BEGIN EC PARAMETERS');
    expect(allOf(await jwksd('convert', 'with-parameters.pem', '--to', 'sec1', '--private'))).toBe(
      allOf(await readFile(at('with-parameters.pem'), 'utf8')),
    );
    openssl(['req', '-x509', '-new', '-key', keyOf('RS256'), '-subj', '/CN=a', '-out', 'cert.pem']);
    expect(await jwksd('convert', 'cert.pem', '--to', 'spki')).toBe(
      openssl(['x509', '-in', 'cert.pem', '-noout', '-pubkey']),
    );
  });
});

const jose = (args: readonly string[], input: string): string => good(runProgram('jose', args, { input }));

describe.skipIf(noJose !== '')(`jose${noJose}`, () => {
  // It knows no EdDSA.
  test.each(algs.filter((alg) => alg !== 'EdDSA'))(
    '%s: agrees on the thumbprint and takes both JWKs',
    async (alg) => {
      const publicJwk = await jwksd('convert', keyOf(alg));
      const privateJwk = await jwksd('convert', keyOf(alg), '--private');
      const ours = (await jwksd('thumbprint', keyOf(alg))).trim();
      expect(jose(['jwk', 'thp', '-i-'], publicJwk).trim()).toBe(ours);
      expect(jose(['jwk', 'thp', '-i-'], privateJwk).trim()).toBe(ours);
      await writeFile(at('private.jwk'), privateJwk);
      await writeFile(at('public.jwk'), publicJwk);
      const jws = jose(['jws', 'sig', '-I-', '-k', at('private.jwk'), '-c'], 'signed by jose');
      expect(jose(['jws', 'ver', '-i-', '-k', at('public.jwk'), '-O-'], jws)).toBe('signed by jose');
      const made = jose(['jwk', 'gen', '-i', JSON.stringify({ alg })], '');
      await writeFile(at('jose.jwk'), made);
      expect((await jwksd('thumbprint', 'jose.jwk')).trim()).toBe(jose(['jwk', 'thp', '-i-'], made).trim());
    },
  );
});

describe.skipIf(noJwcrypto !== '')(`python3-jwcrypto${noJwcrypto}`, () => {
  const script = `
import json, sys
from jwcrypto import jwk
pem = open(sys.argv[1], 'rb').read()
key = jwk.JWK.from_pem(pem)
print(json.dumps({'thumbprint': key.thumbprint(), 'private': json.loads(key.export_private()),
  'spki': key.export_to_pem().decode(), 'set': [k.thumbprint() for k in jwk.JWKSet.from_json(open(sys.argv[2]).read())['keys']],
  'again': jwk.JWK.from_json(sys.stdin.read()).export_to_pem(True, None).decode()}))
`;
  test.each(algs)('%s: agrees on thumbprint, JWK, SPKI and PKCS#8', async (alg) => {
    const privateJwk = await jwksd('convert', keyOf(alg), '--private');
    const ended = runProgram(python, ['-c', script, keyOf(alg), at('outputs/jwks.json')], {
      input: privateJwk,
    });
    const theirs = JSON.parse(good(ended)) as Record<'thumbprint' | 'spki' | 'again', string> & {
      private: Record<string, string>;
      set: string[];
    };
    expect(theirs.thumbprint).toBe((await jwksd('thumbprint', keyOf(alg))).trim());
    // It names keys by their thumbprint too, and says nothing of their use.
    expect(JSON.parse(privateJwk)).toMatchObject(theirs.private);
    expect(theirs.spki).toBe(await jwksd('convert', keyOf(alg), '--to', 'spki'));
    expect(theirs.again).toBe(await jwksd('convert', keyOf(alg), '--to', 'pkcs8', '--private'));
    const set = (await jwksd('thumbprint', 'outputs/jwks.json')).trim().split('\n');
    expect(theirs.set.toSorted()).toEqual(set.toSorted());
  });
});

describe.skipIf(noPhp !== '')(`php-cli${noPhp}`, () => {
  // What Moodle's JWT library does with the text that was pasted.
  const script = `
$pem = stream_get_contents(STDIN);
$key = openssl_pkey_get_private($pem);
if ($key === false) { fwrite(STDERR, openssl_error_string()); exit(1); }
openssl_sign('payload', $signature, $key, $argv[1]);
$public = openssl_pkey_get_public(file_get_contents($argv[2]));
echo openssl_verify('payload', $signature, $public, $argv[1]);
`;
  test.each([
    ['ES256', 'sha256'],
    ['ES384', 'sha384'],
    ['ES512', 'sha512'],
    ['RS256', 'sha256'],
  ])('%s: loads the private key as it is in its file, and signs', async (alg, hash) => {
    await writeFile(
      at('public.pem'),
      await jwksd('convert', `outputs/${alg}_public.jwk.json`, '--to', 'spki'),
    );
    const input = await readFile(keyOf(alg), 'utf8');
    expect(good(runProgram('php', ['-r', script, '--', hash, at('public.pem')], { input }))).toBe('1');
  });
});

describe.skipIf(noSsh !== '')(`ssh-keygen${noSsh}`, () => {
  test.each([
    ['ed25519', []],
    ['ecdsa', ['-b', '256']],
    ['ecdsa', ['-b', '384']],
    ['ecdsa', ['-b', '521']],
    ['rsa', ['-b', '2048']],
  ])('%s %j: private and public file are the same key', async (type, size) => {
    const name = `ssh-${type}-${size[1] ?? ''}`;
    good(runProgram('ssh-keygen', ['-q', '-t', type, ...size, '-N', '', '-f', at(name)]));
    expect(await jwksd('thumbprint', name)).toBe(await jwksd('thumbprint', `${name}.pub`));
    await jwksd('convert', name, '--to', 'pkcs8', '--private', '-o', `${name}.pem`);
    if (type === 'ed25519') return;
    // It reads PKCS#8 as well, and says which line belongs to it.
    const line = good(runProgram('ssh-keygen', ['-y', '-f', at(`${name}.pem`)])).split(' ');
    expect((await readFile(at(`${name}.pub`), 'utf8')).split(' ').slice(0, 2)).toEqual(
      line.slice(0, 2).map((word) => word.trim()),
    );
  });
});
