import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { certificatePem, makeCertificate } from '../fakes/certificate.ts';
import { eventually, runJwksd, startJwksd, temporaryDirectory, type Running } from '../fakes/jwksd.ts';
import { FakeUpstream, hang, ok, redirect, status, type Handler } from '../fakes/upstream.ts';
import { signedAs } from '../tokens/signer.ts';
import { get } from './client.ts';

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}
const rsa = (): Pair => generateKeyPairSync('rsa', { modulusLength: 2048 });
const [spki, pkcs1, certified, stranger] = [rsa(), rsa(), rsa(), rsa()];

const soon = (): number => Math.floor(Date.now() / 1000) + 60;
const tokenOf = (alg: string, { privateKey }: Pair, claims: object = {}, header: object = {}): string =>
  signedAs(
    alg,
    privateKey,
    { alg, ...header },
    { sub: 'jane', groups: ['analysts'], exp: soon(), ...claims },
  );

/** Three key files, one of each format, and what the environment of that product says of them. */
const keyFiles = async () => {
  const directory = await temporaryDirectory();
  const at = (name: string): string => path.join(directory.path, name);
  const url = (name: string): string => pathToFileURL(at(name)).href;
  await writeFile(at('a.pub'), spki.publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(at('b.pub'), pkcs1.publicKey.export({ type: 'pkcs1', format: 'pem' }));
  const { publicKey, privateKey: certifier } = certified;
  await writeFile(
    at('c.crt'),
    certificatePem(makeCertificate({ subject: 'c', publicKey, signer: certifier })),
  );
  return {
    at,
    url,
    cwd: directory.path,
    env: {
      JWT_PUBLIC_KEY: ['a.pub', 'b.pub', 'c.crt'].map(url).join(', '),
      JWT_ALGORITHM: 'RS256,RSA512, RS256',
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
};

const thumbprint = ({ publicKey }: Pair): string => {
  const { e, kty, n } = publicKey.export({ format: 'jwk' });
  return createHash('sha256').update(JSON.stringify({ e, kty, n })).digest('base64url');
};

const withToken = async (token: string | undefined) => {
  const files = await keyFiles();
  if (token !== undefined) await writeFile(files.at('system.token'), `${token}\n`);
  return { ...files, env: { ...files.env, SYSTEM_TOKEN: files.url('system.token') } };
};

const validate = async ({ url }: Pick<Running, 'url'>, token: string) => {
  const {
    status: code,
    text,
    headers,
  } = await get(`${url}/validate`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
  });
  return { code, json: JSON.parse(text) as Record<string, unknown>, headers };
};
const codeOf = async (server: Pick<Running, 'url'>, token: string): Promise<number> =>
  (await validate(server, token)).code;

describe('the key list of the environment', () => {
  test('validates tokens with SPKI, PKCS#1 and certificate, each with its own algorithm and no other', async () => {
    await using files = await keyFiles();
    await using server = await startJwksd([], files);
    expect((await validate(server, tokenOf('RS256', spki))).json).toMatchObject({ sub: 'jane' });
    expect(await codeOf(server, tokenOf('RS512', pkcs1))).toBe(200);
    expect(await codeOf(server, tokenOf('RS256', certified))).toBe(200);
    for (const bad of [
      tokenOf('RS512', spki),
      tokenOf('RS256', pkcs1),
      tokenOf('RS384', pkcs1),
      tokenOf('RS256', stranger),
      tokenOf('RS256', spki, { exp: undefined }),
      tokenOf('RS256', spki, { sub: 5 }),
      tokenOf('RS256', spki, {}, { crit: ['x'], x: 1 }),
      `${tokenOf('RS256', spki)}x`,
    ]) {
      expect(await codeOf(server, bad)).toBe(401);
    }
    // A kid of the signer's own is no obstacle: the PEM has none.
    expect(await codeOf(server, tokenOf('RS256', spki, {}, { kid: 'theirs' }))).toBe(200);
    expect(await codeOf(server, tokenOf('RS256', spki, { iss: 'https://anyone.example' }))).toBe(200);
    expect(server.output()).not.toContain(tokenOf('RS256', spki).slice(0, 40));
  });

  test('is published as a JWK Set with thumbprints for kids and the algorithms of the list', async () => {
    await using files = await keyFiles();
    await using server = await startJwksd([], files);
    const { status: code, text } = await get(`${server.url}/sets/okera-keys/jwks.json`);
    expect(code).toBe(200);
    const { keys } = JSON.parse(text) as { keys: Record<string, string>[] };
    expect(keys.map(({ kid, alg }) => [kid, alg])).toEqual([
      [thumbprint(spki), 'RS256'],
      [thumbprint(pkcs1), 'RS512'],
      [thumbprint(certified), 'RS256'],
    ]);
  });

  test('with another number of algorithms, a twice listed key or no file URL refuses the start', async () => {
    await using files = await keyFiles();
    for (const [env, says] of [
      [{ JWT_ALGORITHM: 'RS256' }, /one algorithm for each of publicKeys, in the same order: 3, not 1/u],
      [{ JWT_ALGORITHM: 'RS256,HS256,RS256' }, /algorithms/u],
      [
        { JWT_PUBLIC_KEY: `${files.url('a.pub')},${files.url('a.pub')},${files.url('b.pub')}` },
        /listed twice/u,
      ],
      [{ JWT_PUBLIC_KEY: `${files.at('a.pub')},${files.at('b.pub')},x` }, /file:\/\//u],
    ] as const) {
      const { code, stderr } = await runJwksd(['serve', '--port', '0', '--ops-port', '0'], {
        cwd: files.cwd,
        env: { ...files.env, ...env },
      });
      expect([code, stderr]).toEqual([2, expect.stringMatching(says)]);
    }
  });

  test('is followed: another PEM in the file counts without a restart, and the old key no more', async () => {
    await using files = await keyFiles();
    await using server = await startJwksd([], files);
    expect(await codeOf(server, tokenOf('RS256', stranger))).toBe(401);
    await writeFile(files.at('a.pub'), stranger.publicKey.export({ type: 'spki', format: 'pem' }));
    await eventually(async () => (await codeOf(server, tokenOf('RS256', stranger))) === 200 || undefined);
    expect(await codeOf(server, tokenOf('RS256', spki))).toBe(401);
    const explained = await fetch(`${server.opsUrl}/validate?explain=1`, {
      method: 'POST',
      body: tokenOf('RS256', spki),
    });
    expect(await explained.json()).toMatchObject({ valid: false, reason: 'bad_signature' });
  });

  test('a key that cannot have the algorithm of the list verifies nothing', async () => {
    await using files = await keyFiles();
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(files.at('a.pub'), ec.publicKey.export({ type: 'spki', format: 'pem' }));
    await using server = await startJwksd([], files);
    expect(await codeOf(server, tokenOf('ES256', ec))).toBe(401);
    expect(await codeOf(server, tokenOf('RS512', pkcs1))).toBe(200);
    const { text } = await get(`${server.opsUrl}/status`);
    expect(text).toContain('the key is for ES256 and is listed for RS256; correct the list');
  });
});

/** An authentication server that is asked first; local keys beside it. */
const withRemote = async (handler: Handler, more: Record<string, string> = {}) => {
  const files = await keyFiles();
  const upstream = await FakeUpstream.start({ handler });
  const server = await startJwksd([], {
    cwd: files.cwd,
    env: { ...files.env, JWT_AUTHENTICATION_SERVER_URL: upstream.url('/userinfo').href, ...more },
  });
  return {
    server,
    upstream,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
      await files[Symbol.asyncDispose]();
    },
  };
};

describe('the authentication server', () => {
  test('is asked first, as documented, and its word counts for 60 s', async () => {
    await using made = await withRemote(ok({ sub: 'joe', groups: ['remote'] }));
    const { server, upstream } = made;
    const token = tokenOf('RS256', spki);
    for (let n = 0; n < 3; n += 1) {
      const { code, json, headers } = await validate(server, token);
      expect([code, json]).toEqual([200, { sub: 'joe', groups: ['remote'] }]);
      expect(headers['x-auth-subject']).toBe('joe');
    }
    expect(upstream.requests).toHaveLength(1);
    expect(upstream.requests[0]).toMatchObject({
      method: 'POST',
      url: '/userinfo',
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
    });
    expect(await codeOf(server, 'opaque')).toBe(200);
    const metrics = await (await fetch(`${server.opsUrl}/metrics`)).text();
    expect(metrics).toContain('jwksd_remote_validations_total{result="cached"} 2');
    expect(metrics).toContain('jwksd_validations_total{result="valid"} 4');
  });

  const noes: [string, Handler][] = [
    ['401', status(401)],
    ['200 with HTML', ok('<html>log in</html>', { 'content-type': 'text/html' })],
    ['302', redirect('/login')],
    ['a number for sub', ok({ sub: 5 })],
    ['no sub', ok({})],
    ['a list', ok(['jane'])],
    ['1 MB', ok({ sub: 'joe', filler: 'x'.repeat(1 << 20) })],
    ['an exp that is past', ok({ sub: 'joe', exp: 5 })],
  ];
  test.each(noes)('that says %s did not validate; the keys decide', async (_name, handler) => {
    await using made = await withRemote(handler);
    expect(await codeOf(made.server, 'opaque')).toBe(401);
    expect((await validate(made.server, tokenOf('RS256', spki))).json).toMatchObject({ sub: 'jane' });
    expect(await codeOf(made.server, tokenOf('RS256', stranger))).toBe(401);
    expect(made.server.output()).not.toContain('eyJ');
  });

  test.each([
    ['always', [200, 200]],
    ['unavailable-only', [401, 200]],
    ['never', [401, 401]],
  ] as const)('with fallback %s', async (fallback, expected) => {
    let handler: Handler = status(401);
    await using made = await withRemote((request, response) => handler(request, response), {
      JWKSD_VALIDATION__OKERA__FALLBACK: fallback,
    });
    const refused = await codeOf(made.server, tokenOf('RS256', spki));
    handler = status(503);
    expect([refused, await codeOf(made.server, tokenOf('RS256', spki))]).toEqual(expected);
  });

  test('that hangs is left after 3 s', async () => {
    await using made = await withRemote(hang());
    const before = performance.now();
    expect(await codeOf(made.server, tokenOf('RS256', spki))).toBe(200);
    expect(performance.now() - before).toBeGreaterThan(2500);
    expect(performance.now() - before).toBeLessThan(5000);
  });

  test('alone, without any key, is a service: ready, with a landing page, and no set', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start({ handler: ok({ sub: 'joe' }) });
    await using server = await startJwksd([], {
      cwd: directory.path,
      env: { JWT_AUTHENTICATION_SERVER_URL: upstream.url().href },
    });
    expect((await get(`${server.url}/readyz`)).status).toBe(200);
    expect((await get(`${server.url}/`)).status).toBe(200);
    expect((await get(`${server.url}/`, { headers: { accept: 'text/html' } })).text).toContain('<html');
    expect((await get(`${server.url}/.well-known/jwks.json`)).status).toBe(404);
    expect(await codeOf(server, 'opaque')).toBe(200);
    upstream.handler = status(401);
    expect(await codeOf(server, 'other')).toBe(401);
    const { code } = await runJwksd(['check', '--offline'], {
      cwd: directory.path,
      env: { JWT_AUTHENTICATION_SERVER_URL: upstream.url().href },
    });
    expect(code).toBe(0);
  });
});

describe('the system token', () => {
  test('is told at /status and by check, followed on disk, and logged once per change', async () => {
    await using files = await withToken(tokenOf('RS512', pkcs1, { sub: 'okera', groups: ['root'] }));
    const checked = await runJwksd(['check'], files);
    expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining('the system token is valid')]);
    await using server = await startJwksd([], files);
    const state = async () =>
      ((await (await fetch(`${server.opsUrl}/status`)).json()) as { validation: { systemToken: unknown } })
        .validation.systemToken;
    expect(await state()).toMatchObject({ valid: true });
    const metrics = await (await fetch(`${server.opsUrl}/metrics`)).text();
    expect(metrics).toContain('jwksd_system_token_valid 1');
    await writeFile(files.at('system.token'), tokenOf('RS512', pkcs1, { sub: 'jane' }));
    await eventually(async () => {
      const now = (await state()) as { valid: boolean };
      return now.valid ? undefined : (expect(now).toMatchObject({ reason: 'other_subject' }) ?? true);
    }, 15_000);
    expect(server.output()).not.toContain('eyJ');
  });

  test.each<[string, () => string | undefined, RegExp]>([
    ['of somebody else', () => tokenOf('RS512', pkcs1), /is not a token of "okera"/u],
    ['signed by a stranger', () => tokenOf('RS512', stranger, { sub: 'okera' }), /verifies the signature/u],
    ['that expired', () => tokenOf('RS512', pkcs1, { sub: 'okera', exp: 5 }), /expired/u],
    ['that is not there', () => undefined, /cannot be read \(ENOENT\)/u],
    ['that is empty', () => '', /holds no token/u],
  ])('%s refuses the start with exit code 2', async (_name, token, says) => {
    await using files = await withToken(token());
    const { code, stderr } = await runJwksd(['serve', '--port', '0', '--ops-port', '0'], files);
    expect([code, stderr]).toEqual([2, expect.stringMatching(says)]);
    expect(stderr).not.toContain('eyJ');
    const checked = await runJwksd(['check'], files);
    expect([checked.code, checked.stdout]).toEqual([1, expect.stringContaining('IS NOT VALID')]);
  });

  test('made by `jwksd tokens init` validates with the key made beside it', async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string): string => pathToFileURL(path.join(directory.path, name)).href;
    expect((await runJwksd(['tokens', 'init', '--dir', directory.path])).code).toBe(0);
    await using server = await startJwksd([], {
      cwd: directory.path,
      env: { JWT_PUBLIC_KEY: at('id_rsa.pub'), JWT_ALGORITHM: 'RSA512', SYSTEM_TOKEN: at('system.token') },
    });
    const token = execFileSync('cat', [path.join(directory.path, 'system.token')], {
      encoding: 'utf8',
    }).trim();
    expect((await validate(server, token)).json).toMatchObject({ sub: 'okera', groups: ['root'] });
  });
});
