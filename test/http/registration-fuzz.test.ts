import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { b64, makeProof } from '../tokens/proof/proofs.ts';
import { accessToken, path, seconds, start } from './registration-world.ts';

// Without the variable: a few, always the same. `npm run fuzz` sets it, and then every run is another one.
const runs = process.env['JWKSD_FUZZ_RUNS'];
const settings: fc.Parameters<unknown> =
  runs === undefined ? { numRuns: 1000, seed: 20_261_122 } : { numRuns: Number(runs) };

const text = fc.string({ unit: 'binary', maxLength: 60 });
const client = fc.oneof(
  fc.constantFrom('app', '..', '.', 'a/b', '%2e', '__proto__', 'constructor', 'jwks.json', '\0', '🔑'),
  text,
);
const encoded = client.map((name) => {
  try {
    return encodeURIComponent(name);
  } catch {
    return '%ff';
  }
});
const target = fc.oneof(
  { weight: 5, arbitrary: fc.constant(path) },
  fc.constant('/oidc/jwks/nonce'),
  encoded.map((name) => `${path}/${name}`),
  encoded.map((name) => `${path}/${name}/jwks.json`),
  encoded.map((name) => `${path}/jwks.json?client_id=${name}`),
  encoded.map((name) => `${path}/${name}/revoke`),
  fc.tuple(encoded, encoded).map(([cursor, limit]) => `${path}?cursor=${cursor}&limit=${limit}`),
  fc.webPath().map((tail) => `${path}${tail}`),
);
/** Known to Node's parser, so that what is sent arrives. */
const value = fc.string({ unit: 'grapheme-ascii', maxLength: 40 });
const token = fc.oneof(
  { weight: 3, arbitrary: fc.constant(`Bearer ${accessToken('app')}`) },
  { weight: 3, arbitrary: client.map((name) => `Bearer ${accessToken(name)}`) },
  { weight: 1, arbitrary: value },
  { weight: 1, arbitrary: fc.constant(undefined) },
);
const proof = fc.oneof(
  text,
  fc
    .tuple(fc.jsonValue(), fc.jsonValue())
    .map(([header, payload]) => `${b64(JSON.stringify(header))}.${b64(JSON.stringify(payload))}.AAAA`),
  fc
    .tuple(fc.oneof(client, fc.constant('app')), text)
    .map(([iss, jti]) => makeProof({ payload: { iss, iat: seconds, jti } })),
  fc
    .dictionary(
      fc.constantFrom('iss', 'aud', 'iat', 'exp', 'nbf', 'jti', 'nonce', 'ath', 'htu'),
      fc.jsonValue(),
    )
    .map((payload) => makeProof({ payload })),
);
const body = fc.oneof(
  proof.map((jws) => JSON.stringify({ proof: jws })),
  fc.constantFrom('compromised', 'superseded', 'x').map((reason) => JSON.stringify({ reason })),
  fc.json(),
  text,
  fc.constant(undefined),
);
const contentType = fc.oneof(
  { weight: 6, arbitrary: fc.constant('application/json') },
  { weight: 1, arbitrary: value },
  { weight: 1, arbitrary: fc.constant(undefined) },
);
const request = fc.record({
  method: fc.constantFrom(
    'GET',
    'HEAD',
    'POST',
    'POST',
    'POST',
    'POST',
    'POST',
    'PUT',
    'PATCH',
    'DELETE',
    'OPTIONS',
  ),
  url: target,
  authorization: token,
  contentType,
  body,
});

test.each(['strict', 'cas'] as const)(
  'whatever is sent in %s mode, the answer is never a 5xx, and an error is one of the documented kind',
  async (mode) => {
    const world = await start({ mode, max: 1_000_000_000, maxKeys: 1000 });
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(request, async ({ method, url, authorization, contentType: type, body: payload }) => {
        const answer = await world.app.inject({
          method: method as 'POST',
          url,
          headers: {
            ...(authorization === undefined ? {} : { authorization }),
            ...(type === undefined ? {} : { 'content-type': type }),
          },
          ...(payload === undefined ? {} : { payload }),
        });
        expect(answer.statusCode).toBeLessThan(500);
        if (answer.statusCode === 200 && method === 'POST') accepted += 1;
        if (answer.statusCode < 400 || method === 'HEAD') return;
        expect(answer.headers['cache-control']).toBe('no-store');
        const { code } = answer.json<{ code?: unknown }>();
        expect(code).toEqual(expect.any(String));
      }),
      settings,
    );
    // Else nothing of it came far.
    expect(accepted).toBeGreaterThan(3);
    const log = JSON.stringify(world.log);
    expect(log).not.toContain('eyJ');
    expect(world.log.filter((line) => Number(line['level']) >= 40)).toEqual([]);
  },
  runs === undefined ? 60_000 : 0,
);
