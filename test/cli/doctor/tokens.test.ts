import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { clientIds, type ClientId } from '../../../src/cli/doctor/model.ts';
import { makeSigner, setOf, type Signer } from '../../acceptance/signer.ts';
import { goodHeaders, makeEc } from '../../fakes/key-server-defects.ts';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { FakeUpstream, ok } from '../../fakes/upstream.ts';
import { run } from '../world.ts';

/** An EC signer that Opencast 18 can read too. */
const legacySigner = async (kid: string, topBits = false): Promise<Signer> => {
  const { publicJwk, privateJwk } = makeEc(topBits);
  const signer = await makeSigner('ES256', kid);
  return {
    ...signer,
    jwk: { ...publicJwk, kid, use: 'sig', alg: 'ES256' },
    privateKey: createPrivateKey({ key: privateJwk, format: 'jwk' }),
    publicKey: createPublicKey({ key: publicJwk, format: 'jwk' }),
  };
};

const [mine, other] = [await legacySigner('mine'), await legacySigner('other')];
const topBit = await legacySigner('mine', true);
const [rsa, otherRsa] = [await makeSigner('RS256', 'rsa'), await makeSigner('RS256', 'rsa2')];

/** A token as Moodle sends it, with changes. */
const tokenOf = async (
  { alg, privateKey }: Signer,
  claims: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> => {
  const now = Math.floor(Date.now() / 1000);
  const payload = { iat: now, exp: now + 60, oc: { 'e:1': ['read'] }, ...claims };
  return await new SignJWT(payload).setProtectedHeader({ typ: 'JWT', alg, ...header }).sign(privateKey);
};

interface Told {
  readonly code: number;
  readonly accepted: boolean | undefined;
  readonly by: string | undefined;
  readonly codes: readonly string[];
  readonly texts: readonly string[];
}

const tell = async (set: object, token: string, id: ClientId): Promise<Told> => {
  await using upstream = await FakeUpstream.start({ handler: ok(set, goodHeaders) });
  const argv = ['doctor', upstream.url().href, '--as', id, '--json', '--token', '-'];
  const { code, stdout, stderr } = await run(argv, { stdin: `${token}\n` });
  expect(stderr).toBe('');
  const { clients } = JSON.parse(stdout) as {
    clients: {
      id: string;
      token?: { accepted: boolean; by?: string; notes: { code: string; says?: { text: string } }[] };
    }[];
  };
  const verdict = clients.find((client) => client.id === id)?.token;
  return {
    code,
    accepted: verdict?.accepted,
    by: verdict?.by,
    codes: verdict?.notes.map((note) => note.code) ?? [],
    texts: verdict?.notes.flatMap(({ says }) => (says === undefined ? [] : [says.text])) ?? [],
  };
};

const readers = clientIds.filter((id) => /^(?:octoka@|opencast@|generic)/u.test(id));

test.each(readers)('a Moodle token signed with the published key is accepted as %s', async (id) => {
  const token = await tokenOf(mine, {}, id === 'generic' ? { kid: 'mine' } : {});
  expect(await tell(setOf(other, mine), token, id)).toMatchObject({
    code: 0,
    accepted: true,
    by: 'mine',
    codes: [],
  });
});

test('a token whose signer the client cannot use is told which key that was, beside one it can use', async () => {
  await using upstream = await FakeUpstream.start({
    handler: ok(setOf(other, { ...topBit, jwk: { ...topBit.jwk, kid: 'top' } }), goodHeaders),
  });
  const argv = ['doctor', upstream.url().href, '--as', 'opencast@18', '--token', '-'];
  const { stdout } = await run(argv, { stdin: await tokenOf(topBit) });
  expect(stdout).toContain('top made it, which the client cannot use (top-bit)');
});

test('Prosody accepts a token whose kid, typ, iss, aud and room are there', async () => {
  const claims = { iss: 'sso', aud: 'jitsi', room: '*' };
  const told = await tell(setOf(rsa), await tokenOf(rsa, claims, { kid: 'rsa' }), 'jitsi@set');
  expect(told).toMatchObject({ code: 0, accepted: true, by: 'rsa', codes: [] });
});

const now = Math.floor(Date.now() / 1000);

describe('a token that a client refuses is told in its words', () => {
  type Case = readonly [string, ClientId, () => Promise<Told>, string, string];
  const cases: readonly Case[] = [
    [
      'signed with another key',
      'octoka@1.2',
      async () => await tell(setOf(mine), await tokenOf(other), 'octoka@1.2'),
      'token-signature',
      'rejected JWT (InvalidSignature)',
    ],
    [
      'with a kid nobody has',
      'octoka@1.2',
      async () => await tell(setOf(mine), await tokenOf(mine, {}, { kid: 'x' }), 'octoka@1.2'),
      'token-kid',
      'rejected JWT (NoSuitableKey)',
    ],
    [
      'with the kid of a key of another alg',
      'octoka@1.3',
      async () => await tell(setOf(mine, rsa), await tokenOf(mine, {}, { kid: 'rsa' }), 'octoka@1.3'),
      'token-alg',
      'rejected JWT (AlgoMismatch)',
    ],
    [
      'signed with RS256',
      'octoka@1.2',
      async () => await tell(setOf(mine, rsa), await tokenOf(rsa), 'octoka@1.2'),
      'token-alg',
      'rejected JWT (UnsupportedAlg)',
    ],
    [
      'without exp',
      'octoka@1.2',
      async () => await tell(setOf(mine), await tokenOf(mine, { exp: undefined }), 'octoka@1.2'),
      'token-exp',
      'rejected JWT (ExpMissing)',
    ],
    [
      'expired',
      'octoka@1.2',
      async () => await tell(setOf(mine), await tokenOf(mine, { exp: now - 60 }), 'octoka@1.2'),
      'token-exp',
      'rejected JWT (Expired)',
    ],
    [
      'too early',
      'octoka@1.2',
      async () => await tell(setOf(mine), await tokenOf(mine, { nbf: now + 600 }), 'octoka@1.2'),
      'token-nbf',
      'rejected JWT (NotValidYet)',
    ],
    [
      'with oc as a list',
      'octoka@1.2',
      async () => await tell(setOf(mine), await tokenOf(mine, { oc: ['read:e:1'] }), 'octoka@1.2'),
      'token-json',
      'rejected JWT (InvalidJson)',
    ],
    [
      'with a kid nobody has',
      'opencast@18',
      async () => await tell(setOf(mine), await tokenOf(mine, {}, { kid: 'x' }), 'opencast@18'),
      'token-kid',
      'No key found',
    ],
    ...[{}, { kid: 'mine' }].map((header): Case => [
      `signed with a key whose first bit is set, ${'kid' in header ? 'with' : 'without'} its kid`,
      'opencast@18',
      async () => await tell(setOf(topBit), await tokenOf(topBit, {}, header), 'opencast@18'),
      'top-bit',
      "The Token's Signature resulted invalid when verified using the Algorithm: SHA256withECDSA",
    ]),
    [
      'signed with another key',
      'opencast@18',
      async () => await tell(setOf(mine), await tokenOf(other), 'opencast@18'),
      'token-signature',
      "The Token's Signature resulted invalid when verified using the Algorithm: SHA256withECDSA",
    ],
    [
      'signed with another key',
      'opencast@19',
      async () => await tell(setOf(mine), await tokenOf(other), 'opencast@19'),
      'token-signature',
      'JWT could not be verified',
    ],
    [
      'signed with PS256',
      'opencast@19',
      async () => await tell(setOf(rsa), await tokenOf({ ...rsa, alg: 'PS256' }), 'opencast@19'),
      'token-alg',
      "Unsupported algorithm 'PS256'",
    ],
    [
      'expired',
      'opencast@19',
      async () => await tell(setOf(mine), await tokenOf(mine, { exp: now - 1 }), 'opencast@19'),
      'token-exp',
      'JWT is expired',
    ],
    [
      'without kid',
      'jitsi@set',
      async () => await tell(setOf(rsa), await tokenOf(rsa), 'jitsi@set'),
      'token-kid',
      "Error verifying token err:not-allowed, reason:'kid' claim is missing",
    ],
    [
      'signed with the key of another kid',
      'jitsi@set',
      async () =>
        await tell(
          setOf(rsa),
          await tokenOf(otherRsa, { iss: 'i', aud: 'a', room: '*' }, { kid: 'rsa' }),
          'jitsi@set',
        ),
      'token-signature',
      'Error verifying token err:not-allowed, reason:Invalid signature',
    ],
    [
      'with a kid nobody has',
      'generic',
      async () => await tell(setOf(mine), await tokenOf(mine, {}, { kid: 'x' }), 'generic'),
      'token-kid',
      'no applicable key found in the JSON Web Key Set',
    ],
    [
      'without kid, where two keys fit',
      'generic',
      async () => await tell(setOf(mine, other), await tokenOf(mine), 'generic'),
      'token-kid',
      'multiple matching keys found in the JSON Web Key Set',
    ],
  ];
  test.each(cases)('%s, as %s', async (_title, _id, ask, code, text) => {
    const told = await ask();
    expect(told.accepted).toBe(false);
    expect(told.code).toBe(1);
    expect(told.codes).toEqual([code]);
    expect(told.texts).toEqual([text]);
  });
});

test('a key the set has under another kid is named, although the client does not try it', async () => {
  const token = await tokenOf(mine, {}, { kid: 'other' });
  await using upstream = await FakeUpstream.start({ handler: ok(setOf(mine, other), goodHeaders) });
  const { stdout } = await run(['doctor', upstream.url().href, '--as', 'octoka@1.2', '--token', token]);
  expect(stdout).toContain('mine made it, but the client does not try that key');
});

test('a token that gives nobody anything is accepted with a warning, and not under --strict', async () => {
  const token = await tokenOf(mine, { oc: undefined });
  await using upstream = await FakeUpstream.start({ handler: ok(setOf(mine), goodHeaders) });
  const argv = ['doctor', upstream.url().href, '--as', 'octoka@1.2', '--token', token];
  expect((await run(argv)).code).toBe(0);
  expect((await run([...argv, '--strict'])).code).toBe(1);
});

test('no answer can write to the terminal: control characters never leave', async () => {
  const kid = 'a\u001b[31m\nb\u202e';
  await using upstream = await FakeUpstream.start({
    handler: ok({ keys: [{ ...mine.jwk, kid, crv: 'P\u001b[1m' }] }, goodHeaders),
  });
  const { stdout } = await run(['doctor', upstream.url().href]);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/u);
});
