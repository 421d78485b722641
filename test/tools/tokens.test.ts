import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../cli/world.ts';
import { temporaryDirectory } from '../fakes/jwksd.ts';
import { missing, runProgram } from './programs.ts';

// Verifiers that share no code with jwksd and jose of npm take the tokens jwksd makes, with the set it publishes.

const python = '/usr/bin/python3';
const noJose = missing('jose', ['alg'], 'jose');
const noJwcrypto = missing(python, ['-c', 'import jwcrypto'], 'python3-jwcrypto');

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
const at = (name: string): string => path.join(directory.path, name);
const jwksd = async (...argv: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(argv, { cwd: directory.path });
  expect(code, `${argv.join(' ')}\n${stderr}`).toBe(0);
  return stdout.trim();
};

const algs = ['ES256', 'ES384', 'ES512', 'RS256', 'PS256', 'EdDSA'] as const;
const tokens = new Map<string, string>();

beforeAll(async () => {
  directory = await temporaryDirectory();
  for (const alg of algs) {
    await jwksd(
      'keys',
      'generate',
      '--alg',
      alg,
      '--name',
      alg,
      ...(/^[RP]S/u.test(alg) ? ['--bits', '2048'] : []),
    );
    const key = `keys/${alg}_private.pem`;
    const argv = ['tokens', 'create', 'jane', 'R', '--profile', 'opencast', '--alg', alg, '--key', key];
    tokens.set(alg, await jwksd(...argv));
  }
  await jwksd('tokens', 'init');
  await writeFile(
    at('moodle.jwt'),
    await jwksd(
      ...'tokens create --profile moodle --ttl 10m --course 5 --key keys/ES256_private.pem'.split(' '),
    ),
  );
});
afterAll(async () => await directory[Symbol.asyncDispose]());

/** Verifies with any key of a set or with one PEM, and prints the claims. */
const jwcrypto = `
import sys, json
from jwcrypto import jwk, jwt
text = open(sys.argv[1]).read()
key = jwk.JWK.from_pem(text.encode()) if text.startswith('-----') else jwk.JWKSet.from_json(text)
token = jwt.JWT(check_claims={'exp': None}, algs=[sys.argv[2]])
token.deserialize(sys.stdin.read(), key)
print(token.claims)
`;

const verify = (token: string, keys: string, alg: string): ReturnType<typeof runProgram> =>
  runProgram(python, ['-c', jwcrypto, at(keys), alg], { input: token });

const changed = (token: string): string => {
  const [header, claims, signature = ''] = token.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  bytes[5] = (bytes[5] ?? 0) ^ 1;
  return `${header}.${claims}.${bytes.toString('base64url')}`;
};

describe.skipIf(noJwcrypto !== '')(`jwcrypto${noJwcrypto}`, () => {
  test.each(algs)('%s: verifies the token with the set, and not a changed one', async (alg) => {
    const token = tokens.get(alg) ?? '';
    const good = verify(token, 'outputs/jwks.json', alg);
    expect(good.code, good.stderr).toBe(0);
    expect(JSON.parse(good.stdout)).toMatchObject({ sub: 'jane', roles: ['R'] });
    expect(verify(changed(token), 'outputs/jwks.json', alg).code).not.toBe(0);
  });

  test('verifies a token of Moodle with the set, and the system token with id_rsa.pub', async () => {
    const moodle = verify(await readFile(at('moodle.jwt'), 'utf8'), 'outputs/jwks.json', 'ES256');
    expect(moodle.code, moodle.stderr).toBe(0);
    expect(JSON.parse(moodle.stdout)).toMatchObject({ roles: ['5_Learner'] });
    const system = verify(await readFile(at('.auth/system.token'), 'utf8'), '.auth/id_rsa.pub', 'RS512');
    expect(system.code, system.stderr).toBe(0);
    expect(JSON.parse(system.stdout)).toMatchObject({ sub: 'okera', groups: ['root'] });
  });
});

describe.skipIf(noJose !== '')(`jose of Debian${noJose}`, () => {
  // It knows no EdDSA.
  test.each(algs.filter((alg) => alg !== 'EdDSA'))('%s: verifies the token with its public JWK', (alg) => {
    const key = at(`outputs/${alg}_public.jwk.json`);
    const judge = (token: string): ReturnType<typeof runProgram> =>
      runProgram('jose', ['jws', 'ver', '-i', '-', '-k', key, '-O', '-'], { input: token });
    const good = judge(tokens.get(alg) ?? '');
    expect(good.code, good.stderr).toBe(0);
    expect(JSON.parse(good.stdout)).toMatchObject({ sub: 'jane', roles: ['R'] });
    expect(judge(changed(tokens.get(alg) ?? '')).code).not.toBe(0);
  });
});
