import { describe, expect, test } from 'vitest';
import type { Key } from '../../../src/jwk/key.ts';
import { Explainer, type SetKnowledge } from '../../../src/tokens/validation/explainer.ts';
import type { Issuer } from '../../../src/tokens/validation/issuers.ts';
import type { RefusalReason } from '../../../src/tokens/validation/outcome.ts';
import { noPolicy, type Policy } from '../../../src/tokens/validation/policy.ts';
import { Validator, type ValidatorParts } from '../../../src/tokens/validation/validator.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { signedAs, signer } from '../signer.ts';

const clock = new ManualClock(Date.UTC(2026, 0, 1));
const exp = clock.wall() / 1000 + 60;
const a = signer('ES256', 'a');
const b = signer('ES256', 'b');
const rsa = signer('RS256', 'rsa');
const stranger = signer('ES256', 'a');
const retired = signer('ES256', 'old');
const denied = signer('ES256', 'stolen');

const issuer = (name: string, keys: readonly Key[], more: Partial<Issuer> = {}): Issuer => ({
  name,
  issuer: `https://${name}.example`,
  keys: () => keys,
  demand: async () => await Promise.resolve(),
  algorithms: undefined,
  audience: [],
  clockSkew: 5000,
  allowNoExp: false,
  ...more,
});
const issuers = [
  issuer('a', [a.key, rsa.key]),
  issuer('b', [b.key]),
  issuer('empty', []),
  issuer('strict', [a.key], { audience: ['x'] }),
];
const knowledge = ({ name }: Issuer): SetKnowledge => ({
  set: `set-${name}`,
  leftAt: (kid) => (kid === 'old' ? clock.wall() - 3 * 3_600_000 : undefined),
  withheld: (kid) => (kid === 'stolen' ? 'denied by an operator since 2026-01-01 (stolen)' : undefined),
  sources:
    name === 'empty'
      ? [{ name: 'idp', state: 'STALE', age: 7_200_000, error: 'it answered 503' }]
      : [{ name: 'idp', state: 'FRESH', age: 1000, error: undefined }],
});

interface Case {
  readonly token: string;
  readonly parts?: Partial<ValidatorParts>;
  readonly policy?: Partial<Policy>;
  /** In the sentence. */
  readonly says: RegExp;
}

const claims = (more: object = {}): object => ({ iss: 'https://a.example', sub: 'jane', exp, ...more });
const remote = (unavailable: boolean): Case => ({
  token: 'opaque',
  parts: {
    remote: {
      ask: async () =>
        await Promise.resolve({ valid: false, unavailable, hint: 'the authentication server answered 401' }),
    },
  },
  says: /the authentication server answered 401/u,
});

/** One refusal of each kind: without an entry for every reason this does not compile. */
const cases: Record<RefusalReason, Case> = {
  no_token: { token: '', says: /send it as/u },
  opaque: { token: 'opaque', says: /not a signed JWT/u },
  too_large: { token: 'x'.repeat(20_000), says: /put less into it/u },
  malformed: { token: 'e30.e30.', says: /no alg/u },
  unsupported_crit: { token: a.token(claims(), { crit: ['x'] }), says: /crit/u },
  alg_refused: {
    token: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims())).toString('base64url')}.`,
    says: /never accepted/u,
  },
  no_keys: {
    token: a.token(claims({ iss: 'https://empty.example' })),
    says: /source idp is STALE, last loaded 2 h ago \(it answered 503\)/u,
  },
  unknown_kid: { token: retired.token(claims()), says: /"old" was retired from the set set-a 3 h ago/u },
  alg_mismatch: {
    token: signedAs('RS512', rsa.privateKey, { alg: 'RS512', kid: 'rsa' }, claims()),
    says: /RS256.*RS512/u,
  },
  bad_signature: { token: stranger.token(claims()), says: /does not verify the signature/u },
  bad_claim: { token: a.token(claims({ exp: '1' })), says: /exp is not a number/u },
  no_exp: { token: a.token(claims({ exp: undefined })), says: /no exp/u },
  expired: {
    token: a.token(claims({ exp: clock.wall() / 1000 - 92 })),
    says: /expired 92 s ago.*5 s apart here \(validation\.issuers\.a\.clockSkew\)/u,
  },
  not_yet_valid: { token: a.token(claims({ nbf: exp })), says: /in 60 s only \(nbf\).*5 s apart/u },
  unknown_issuer: {
    token: a.token(claims({ iss: 'https://A.example/' })),
    says: /"https:\/\/A\.example\/".*validation\.issuers\.a has "https:\/\/a\.example"/u,
  },
  bad_sub: { token: a.token(claims({ sub: 5 })), says: /sub is not a text/u },
  bad_groups: { token: a.token(claims({ groups: 'x' })), says: /groups is not a list/u },
  bad_audience: { token: a.token(claims({ iss: 'https://strict.example' })), says: /"x"/u },
  remote_refused: remote(false),
  remote_unavailable: remote(true),
  policy_audience: { token: a.token(claims()), policy: { audience: ['x'] }, says: /"x"/u },
  policy_scope: { token: a.token(claims()), policy: { scope: ['x'] }, says: /"x"/u },
  policy_group: { token: a.token(claims()), policy: { group: ['x'] }, says: /"x"/u },
  groups_unavailable: {
    token: a.token(claims()),
    parts: {
      groups: {
        claim: 'groups',
        order: [
          {
            resolve: async () =>
              await Promise.resolve({
                known: 'unavailable' as const,
                hint: 'the LDAP directory: it is down',
              }),
          },
        ],
      },
    },
    says: /it is down/u,
  },
};

const explain = async ({ token, parts = {}, policy = {} }: Omit<Case, 'says'>) => {
  const validator = new Validator({
    clock,
    issuers,
    groups: { claim: 'groups', order: ['claim'] },
    ...parts,
  });
  return await new Explainer({ clock, validator, issuers, knowledge }).explain(token, {
    ...noPolicy,
    ...policy,
  });
};
const hintOf = async (token: string): Promise<string> => {
  const outcome = await explain({ token });
  return outcome.valid ? 'valid' : outcome.hint;
};

describe('a refusal', () => {
  test.each(Object.entries(cases))(
    '%s comes with a sentence that says what is known',
    async (reason, each) => {
      const outcome = await explain(each);
      expect(outcome).toMatchObject({ valid: false, reason });
      const hint = outcome.valid ? '' : outcome.hint;
      expect(hint).toMatch(each.says);
      expect(hint).toMatch(/^\S.{20,600}\S$/u);
      // No more of the token than names.
      for (const part of each.token.split('.').filter((text) => text.length > 16))
        expect(hint).not.toContain(part);
    },
  );

  test('tells of a key that an operator denied', async () => {
    expect(await hintOf(denied.token(claims()))).toMatch(
      /"stolen" is not in the set set-a: denied by an operator since 2026-01-01 \(stolen\)/u,
    );
  });

  test('tells of a kid of another issuer', async () => {
    expect(await hintOf(b.token(claims()))).toMatch(
      /"b" is a key of validation\.issuers\.b, .*in the name of "https:\/\/a\.example"/u,
    );
  });

  test('tells of a signature that is good, by a key of another name', async () => {
    expect(await hintOf(a.token(claims(), { kid: 'x' }))).toMatch(
      /the signature is good, but by the key of kid "a"/u,
    );
  });

  test('is not counted, and neither is a token that is valid', async () => {
    const validator = new Validator({ clock, issuers, groups: { claim: 'groups', order: ['claim'] } });
    const explainer = new Explainer({ clock, validator, issuers, knowledge });
    expect((await explainer.explain(a.token(claims()), noPolicy)).valid).toBe(true);
    await explainer.explain('x', noPolicy);
    expect(validator.results).toEqual({});
  });
});
