import { createPublicKey } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kidDigest } from '../../src/jwk/kid-digest.ts';
import { eventually, startJwksd, temporaryDirectory, type Running } from '../fakes/jwksd.ts';
import { createRealm, type Realm } from './admin.ts';
import { findDistribution, startKeycloak, type Keycloak } from './distribution.ts';

const distribution = await findDistribution();
const reason = 'missing' in distribution ? ` (skipped: ${distribution.missing})` : '';

describe.skipIf('missing' in distribution)(`a real Keycloak mirrored by discovery${reason}`, () => {
  let keycloak: Keycloak;
  let realm: Realm;
  let jwksd: Running;
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let config: string;
  let first: { token: string; kid: string };
  let second: { token: string; kid: string };

  const mint = async (): Promise<{ token: string; kid: string }> => {
    const token = await realm.mint();
    const { kid } = decodeProtectedHeader(token);
    if (kid === undefined) throw new Error('Keycloak signed without kid');
    return { token, kid };
  };
  const pem = async (kid: string): Promise<Response> =>
    await fetch(`${jwksd.url}/certs/${kidDigest(kid)}.pem`);
  const verifyByPem = async ({ token, kid }: { token: string; kid: string }): Promise<void> => {
    const answer = await pem(kid);
    expect(answer.status).toBe(200);
    const { payload } = await jwtVerify(token, createPublicKey(await answer.text()), {
      issuer: realm.issuer,
    });
    expect(payload.sub).toBeTypeOf('string');
  };
  const verifyBySet = async ({ token }: { token: string }): Promise<void> => {
    const set = createRemoteJWKSet(new URL(`${jwksd.url}/.well-known/jwks.json`));
    await jwtVerify(token, set, { issuer: realm.issuer });
  };
  const kidsInSet = async (): Promise<string[]> => {
    const answer = await fetch(`${jwksd.url}/.well-known/jwks.json`);
    return ((await answer.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
  };
  const refresh = async (): Promise<void> => {
    const answer = await fetch(`${jwksd.opsUrl}/sources/keycloak/refresh`, { method: 'POST' });
    expect(answer.status).toBe(202);
  };
  const ready = async (): Promise<void> => {
    await eventually(async () => ((await fetch(`${jwksd.url}/readyz`)).ok ? true : undefined));
  };

  beforeAll(async () => {
    if ('missing' in distribution) return;
    keycloak = await startKeycloak(distribution.home);
    realm = await createRealm(keycloak.url, 'meetings');
    directory = await temporaryDirectory();
    config = path.join(directory.path, 'jwksd.yaml');
    await mkdir(path.join(directory.path, 'state'));
    await writeFile(
      config,
      `sources:
  keycloak: { type: oidc, issuer: ${realm.issuer}, removalConfirm: 1s }
sets:
  default: { sources: [keycloak], profile: jitsi }
state: { dir: ./state }
`,
    );
    jwksd = await startJwksd(['--config', config]);
    await ready();
  }, 300_000);

  afterAll(async () => {
    await jwksd?.stop();
    await keycloak?.kill();
    await directory?.[Symbol.asyncDispose]();
  });

  test('a token verifies through the PEM and through the JWK Set', async () => {
    first = await mint();
    await verifyByPem(first);
    await verifyBySet(first);
  });

  test('the encryption key of the realm is not published', async () => {
    expect(await kidsInSet()).toEqual([first.kid]);
  });

  test('a rotated key is served on the first PEM request for it', async () => {
    await realm.addKey('second', 200);
    second = await mint();
    expect(second.kid).not.toBe(first.kid);
    expect(await kidsInSet()).not.toContain(second.kid);
    await verifyByPem(second);
    await verifyBySet(second);
  });

  test('the old key is served at every moment while it is passive', async () => {
    await realm.makePassive(await realm.providerOf(first.kid));
    const seen: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await refresh();
      for (let n = 0; n < 20; n += 1) seen.push((await pem(first.kid)).status);
      await verifyBySet(first);
    }
    expect(new Set(seen)).toEqual(new Set([200]));
  });

  test('a removed key is withdrawn once a second answer confirms it', async () => {
    await realm.remove(await realm.providerOf(first.kid));
    await refresh();
    // Missing once is not believed.
    expect((await pem(first.kid)).status).toBe(200);
    await eventually(async () => ((await kidsInSet()).includes(first.kid) ? undefined : true), 15_000);
    expect((await pem(first.kid)).status).toBe(404);
    await verifyByPem(second);
  });

  test('with Keycloak killed and jwksd restarted, a token still verifies', async () => {
    const etag = (await fetch(`${jwksd.url}/.well-known/jwks.json`)).headers.get('etag');
    expect(await jwksd.stop()).toBe(0);
    await keycloak.kill();
    const started = performance.now();
    jwksd = await startJwksd(['--config', config]);
    await ready();
    expect(performance.now() - started).toBeLessThan(5000);
    await verifyByPem(second);
    await verifyBySet(second);
    expect((await fetch(`${jwksd.url}/.well-known/jwks.json`)).headers.get('etag')).toBe(etag);
  });
});
