import * as fc from 'fast-check';
import { calculateJwkThumbprint, compactVerify, importJWK, type JWK } from 'jose';
import { expect, test } from 'vitest';
import { privateMembers } from '../../../src/jwk/admit.ts';
import type { ProofContext } from '../../../src/tokens/proof/context.ts';
import { proofErrors } from '../../../src/tokens/proof/outcome.ts';
import { verifyProof } from '../../../src/tokens/proof/proof.ts';
import { algorithms, b64, cas, makeProof, pairs, secretsOf, signWith, strict, type Json } from './proofs.ts';

// Without the variable: a few, always the same. `npm run fuzz` sets it, and then every run is another one.
const runs = process.env['JWKSD_FUZZ_RUNS'];
const settings = (share: number): fc.Parameters<unknown> =>
  runs === undefined ? { numRuns: share, seed: 20_261_122 } : { numRuns: Number(runs) };

const secrets = Object.values(pairs).flatMap(secretsOf);
const contexts: readonly ProofContext[] = [strict, cas, { ...strict, nonceRequired: true }];

/** Whatever the proof: a value; nothing private in it; and what is accepted, jose accepts with the canonical key alone. */
const judge = async (proof: string, context: ProofContext): Promise<boolean> => {
  const outcome = await verifyProof(proof, context);
  // A client may name its key or its proof after its own secret; that is in the outcome, as label, jti or nonce.
  const text = JSON.stringify(outcome.ok ? outcome.key : outcome);
  for (const secret of secrets) expect(text).not.toContain(secret);
  if (!outcome.ok) {
    expect(outcome.error).toBe(proofErrors[outcome.code]);
    return false;
  }
  const { key, jkt, alg } = outcome;
  for (const name of privateMembers) expect(key.jwk).not.toHaveProperty(name);
  expect(key.jwk).toMatchObject({ kid: jkt, use: 'sig', alg });
  const { protectedHeader } = await compactVerify(proof, await importJWK(key.jwk as JWK, alg), {
    algorithms: [alg],
  });
  expect(protectedHeader.alg).toBe(alg);
  expect(await calculateJwkThumbprint(key.jwk as JWK)).toBe(jkt);
  return true;
};

const context = fc.constantFrom(...contexts);
const chosen = fc.constantFrom(...algorithms);

const odd = fc.oneof(
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  fc.constantFrom<unknown>('', null, 0, -1, 1e308, true, [], {}, 'sig', 'verify', ['verify'], 'POST', 'test'),
  fc.constantFrom<unknown>(
    'RSA',
    'EC',
    'OKP',
    'oct',
    'P-256',
    'P-384',
    'Ed25519',
    'none',
    'HS256',
    'ES256',
    'AQ',
  ),
  fc.constantFrom<unknown>(...secrets),
  fc.double(),
  fc.uint8Array({ maxLength: 70 }).map(b64),
);
const changes = (names: readonly string[]): fc.Arbitrary<Json> =>
  fc.dictionary(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, fc.string()), odd, {
    maxKeys: 2,
  });

const headerNames = [
  'alg',
  'typ',
  'jwk',
  'kid',
  'x5c',
  'x5u',
  'x5t',
  'jku',
  'crit',
  'b64',
  '__proto__',
  'zip',
  'cty',
];
const jwkNames = [
  'kty',
  'kid',
  'use',
  'alg',
  'key_ops',
  'n',
  'e',
  'crv',
  'x',
  'y',
  'x5c',
  'pub',
  '__proto__',
];
const claimNames = ['iss', 'aud', 'iat', 'exp', 'nbf', 'jti', 'nonce', 'htm', 'htu', 'ath', '__proto__'];

test('a properly signed proof that says anything at all', async () => {
  let accepted = 0;
  const arbitrary = fc.record({
    chosen,
    context,
    header: changes(headerNames),
    jwk: changes([...jwkNames, ...privateMembers]),
    payload: fc.oneof({ weight: 4, arbitrary: changes(claimNames) }, fc.string(), fc.json()),
  });
  await fc.assert(
    fc.asyncProperty(arbitrary, async ({ chosen: [alg, kind], context: held, header, jwk, payload }) => {
      const proof = makeProof({ alg, kind, header, jwk: { ...pairs[kind].publicJwk, ...jwk }, payload });
      if (await judge(proof, held)) accepted += 1;
    }),
    settings(400),
  );
  // Else nothing but refusals was tried.
  expect(accepted).toBeGreaterThan(20);
});

const good = algorithms.map(([alg, kind]) => makeProof({ alg, kind }));
const edit = fc.record({
  where: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  remove: fc.nat({ max: 3 }),
  insert: fc.oneof(
    fc.constantFrom('', '.', '=', ' ', '\n', '\0', 'A', '_', '\uFF21'),
    fc.string({ maxLength: 3 }),
    fc.string({ unit: 'binary', maxLength: 2 }),
  ),
});
const edited = (
  text: string,
  { where, remove, insert }: { where: number; remove: number; insert: string },
): string => {
  const at = Math.floor(where * text.length);
  return text.slice(0, at) + insert + text.slice(at + remove);
};

test('a good proof with some characters changed is no proof', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...good),
      fc.array(edit, { minLength: 1, maxLength: 3 }),
      context,
      async (proof, edits, held) => {
        const changed = edits.reduce(edited, proof);
        if (changed !== proof) expect(await judge(changed, held)).toBe(false);
      },
    ),
    settings(800),
  );
});

test('a good proof with bits of its decoded parts flipped is no proof', async () => {
  const flip = fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 5000 }), fc.integer({ min: 1, max: 255 }));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...good), flip, context, async (proof, [part, at, mask], held) => {
      const parts = proof.split('.').map((text) => Buffer.from(text, 'base64url'));
      const bytes = parts[part]!;
      bytes[at % bytes.length]! ^= mask;
      expect(await judge(parts.map(b64).join('.'), held)).toBe(false);
    }),
    settings(400),
  );
});

test('a header or payload with characters changed, signed again', async () => {
  const arbitrary = fc.record({
    chosen,
    context,
    part: fc.nat({ max: 1 }),
    edits: fc.array(edit, { minLength: 1, maxLength: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(arbitrary, async ({ chosen: [alg, kind], context: held, part, edits }) => {
      const parts = makeProof({ alg, kind }).split('.').slice(0, 2);
      const text = Buffer.from(parts[part]!, 'base64url').toString();
      parts[part] = b64(edits.reduce(edited, text));
      const input = parts.join('.');
      await judge(`${input}.${b64(signWith(alg, pairs[kind].privateKey, input))}`, held);
    }),
    settings(200),
  );
});

test('any text', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.array(fc.uint8Array({ maxLength: 60 }).map(b64), { maxLength: 5 }).map((parts) => parts.join('.')),
    fc.array(fc.json().map(b64), { minLength: 3, maxLength: 3 }).map((parts) => parts.join('.')),
  );
  await fc.assert(
    fc.asyncProperty(text, context, async (proof, held) => {
      expect(await judge(proof, held)).toBe(false);
    }),
    settings(400),
  );
});
