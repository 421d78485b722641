import { customFetch, DPoP, generateKeyPair, protectedResourceRequest } from 'oauth4webapi';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { expect, test } from 'vitest';
import { accessToken, codeOf, proved, registrationUrl, strict } from './proofs.ts';

test.each(['ES256', 'PS256', 'RS256', 'Ed25519'])(
  'the DPoP proof of an OAuth library, %s, registers its key, for that URL and token alone',
  async (alg) => {
    const pair = await generateKeyPair(alg, { extractable: true });
    let proof = '';
    await protectedResourceRequest(accessToken, 'POST', new URL(registrationUrl), new Headers(), '', {
      DPoP: DPoP({}, pair),
      [customFetch]: async (_url, { headers }) => {
        proof = new Headers(headers).get('dpop') ?? '';
        return await Promise.resolve(new Response());
      },
    });
    const context = { ...strict, now: Date.now() };
    const { jkt, replay } = await proved(proof, context);
    expect(jkt).toBe(await calculateJwkThumbprint(await exportJWK(pair.publicKey)));
    expect(replay?.jti).toMatch(/^.{10,256}$/);
    expect(await codeOf(proof, { ...context, accessToken: 'another' })).toBe('wrong_token');
    expect(await codeOf(proof, { ...context, registrationUrls: ['https://other.example.org/'] })).toBe(
      'wrong_url',
    );
  },
);
