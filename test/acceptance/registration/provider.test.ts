import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createRemoteJWKSet, jwtVerify, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { IdentityProvider } from '../../fakes/identity-provider.ts';
import { ready } from '../client.ts';
import { makeSigner } from '../signer.ts';
import { ask, createWorld, endpoint, kidsOf, makeKey, prove, register, scope, type Section } from './rig.ts';

const clients = ['somebody', 'a/b', '..', 'x'.repeat(2000), 'jwksd'];

const startProvider = async (): Promise<IdentityProvider> => {
  const { privateKey, kid } = await makeSigner('RS256');
  const key = { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };
  return await IdentityProvider.start([key], clients);
};

test.each(['jwt', 'introspection'] as const)(
  'a client of a real provider registers with its access token (%s), and others verify what it signs by its jwks_uri',
  async (kind) => {
    await using provider = await startProvider();
    await using world = await createWorld();
    const secretFile = path.join(world.directory, 'secret');
    await writeFile(secretFile, `${provider.secret}\n`);
    const accessToken: Section =
      kind === 'jwt'
        ? { jwt: { issuer: provider.issuer, source: 'idp', audience: provider.audience } }
        : {
            introspection: {
              url: `${provider.issuer}/token/introspection`,
              clientId: 'jwksd',
              clientSecretFile: secretFile,
            },
          };
    const server = await world.start(
      { accessToken },
      { sources: { idp: { type: 'oidc', issuer: provider.issuer } } },
    );
    await ready(server);
    const opaque = kind === 'introspection';

    const key = await makeKey();
    const token = await provider.token({ scope, opaque });
    const created = await register(server, token, await prove(key, 'somebody'));
    expect([created.status, created.json]).toEqual([
      200,
      expect.objectContaining({ jkt: key.jkt, client_id: 'somebody', status: 'created' }),
    ]);

    // A service that has never met jwksd verifies what the client signs.
    const signed = await new SignJWT({ sub: 'somebody' })
      .setProtectedHeader({ alg: 'ES256', kid: key.jkt })
      .sign(key.privateKey);
    const jwks = createRemoteJWKSet(new URL(`${server.url}${endpoint}/somebody/jwks.json`));
    expect((await jwtVerify(signed, jwks)).payload.sub).toBe('somebody');

    const without = await provider.token({ scope: 'read', opaque });
    const refused = await register(server, without, await prove(key, 'somebody'));
    expect([refused.status, refused.json['error']]).toEqual([403, 'insufficient_scope']);

    for (const client of clients.slice(1, 4)) {
      const own = await makeKey();
      const theirs = await provider.token({ client, scope, opaque });
      expect((await register(server, theirs, await prove(own, client))).json['client_id']).toBe(client);
      const target = `${endpoint}/jwks.json?client_id=${encodeURIComponent(client)}`;
      const set = await ask(server, 'GET', target, '');
      expect(set.json['keys']).toMatchObject([{ kid: own.jkt }]);
      // Another client's token takes nothing of it.
      expect((await ask(server, 'DELETE', `${endpoint}/${own.jkt}`, token)).status).toBe(404);
      expect((await ask(server, 'DELETE', `${endpoint}/${own.jkt}`, theirs)).status).toBe(204);
    }
    expect(await kidsOf(server, 'somebody')).toEqual([key.jkt]);
    expect(server.output()).not.toContain(token);
    expect(server.output()).not.toContain(provider.secret);
  },
);
