import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { eventually, startJwksd, temporaryDirectory } from '../fakes/jwksd.ts';
import { get } from './client.ts';
import { makeSigner } from './signer.ts';

const iss = 'https://sso.example';

test('keys that change count at once, also for remembered tokens, and the ops listener tells why a token ended', async () => {
  await using directory = await temporaryDirectory();
  const at = (name: string): string => path.join(directory.path, name);
  const [old, next, other] = await Promise.all([
    makeSigner('ES256'),
    makeSigner('RS256'),
    makeSigner('EdDSA'),
  ]);
  const publish = async (name: string, ...signers: readonly { jwk: object }[]): Promise<void> =>
    await writeFile(at(name), JSON.stringify({ keys: signers.map(({ jwk }) => jwk) }));
  await publish('main.json', old, next);
  await publish('other.json', other);
  const config = (more: string): string => `sources:
  main: { type: files, path: main.json, poll: 1s }
  other: { type: files, path: other.json }
sets: { main: { sources: [main] }, other: { sources: [other] } }
validation:
  issuers:
    main: { issuer: ${iss}, set: main }
    other: { issuer: https://other.example, set: other }
  tokenCache: { ttl: 60s }
${more}`;
  await writeFile(at('jwksd.yaml'), config(''));
  await using server = await startJwksd(['--config', at('jwksd.yaml')]);
  const validate = async (token: string): Promise<number> =>
    (await get(`${server.url}/validate`, { headers: { authorization: `Bearer ${token}` } })).status;
  const explain = async (token: string): Promise<unknown> => {
    const answer = await fetch(`${server.opsUrl}/validate?explain=1`, { method: 'POST', body: token });
    return await answer.json();
  };
  const token = await old.token({ iss, sub: 'jane' });
  for (let n = 0; n < 3; n += 1) expect(await validate(token)).toBe(200);
  const metrics = await (await fetch(`${server.opsUrl}/metrics`)).text();
  expect(metrics).toContain('jwksd_token_cache_total{result="hit"} 2');
  expect(await validate(await other.token({ iss, sub: 'jane' }))).toBe(401);
  expect(await explain(await other.token({ iss, sub: 'jane' }))).toMatchObject({
    reason: 'unknown_kid',
    hint: expect.stringContaining('is a key of validation.issuers.other') as string,
  });

  // Denied by an operator: nothing remembered outlives that.
  const url = `${server.opsUrl}/denied/${old.kid}`;
  const denial = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"reason":"stolen"}',
  });
  expect([denial.status, await validate(token)]).toEqual([204, 401]);
  expect(await explain(token)).toMatchObject({
    hint: expect.stringMatching(/denied by an operator since \d{4}-.*\(stolen\)/u) as string,
  });
  expect((await fetch(url, { method: 'DELETE' })).status).toBe(204);
  expect(await validate(token)).toBe(200);

  // Retired in its file.
  await publish('main.json', next);
  await eventually(async () => (await validate(token)) === 401 || undefined);
  expect(await explain(token)).toMatchObject({
    hint: expect.stringMatching(/was retired from the set main \d+ s ago/u) as string,
  });
  const status = (await (await fetch(`${server.opsUrl}/status`)).json()) as { validation: unknown };
  expect(status.validation).toMatchObject({
    issuers: [
      { name: 'main', issuer: iss, set: 'main', keys: 1 },
      { name: 'other', set: 'other', keys: 1 },
    ],
    authenticationServer: null,
    systemToken: null,
    results: { valid: expect.any(Number) as number, unknown_kid: expect.any(Number) as number },
  });

  // SIGHUP: sources follow the file, but not together with another section validation, which needs a restart.
  await publish('again.json', old, next);
  const moved = (more: string): string => config(more).replace('path: main.json', 'path: again.json');
  await writeFile(at('jwksd.yaml'), moved('  groups: { claim: roles }\n'));
  server.kill('SIGHUP');
  await eventually(async () =>
    Promise.resolve(server.log().some(({ msg }) => String(msg).includes('not reloaded')) || undefined),
  );
  expect(await validate(token)).toBe(401);
  await writeFile(at('jwksd.yaml'), moved(''));
  server.kill('SIGHUP');
  await eventually(async () => (await validate(token)) === 200 || undefined);
  expect(server.output()).not.toContain(token.slice(0, 30));
  expect(server.output()).not.toContain('jane');
});
