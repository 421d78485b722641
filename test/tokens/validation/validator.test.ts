import {
  assert,
  asyncProperty,
  boolean,
  constantFrom,
  integer,
  json,
  nat,
  shuffledSubarray,
} from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Key } from '../../../src/jwk/key.ts';
import type { GroupsAnswer, GroupsResolver } from '../../../src/tokens/validation/groups.ts';
import { type Issuer } from '../../../src/tokens/validation/issuers.ts';
import { isPolicy, type Validation } from '../../../src/tokens/validation/outcome.ts';
import { noPolicy, type Policy } from '../../../src/tokens/validation/policy.ts';
import {
  Validator,
  type Remote,
  type RemoteAnswer,
  type ValidatorParts,
} from '../../../src/tokens/validation/validator.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { signer } from '../signer.ts';

const clock = new ManualClock(Date.UTC(2026, 0, 1));
const now = clock.wall() / 1000;
const good = { sub: 'jane', exp: now + 60 };
const a = signer('ES256', 'same');
const b = signer('ES256', 'same');
const rsa = signer('RS256', 'rsa');

const issuer = (name: string, keys: readonly Key[], more: Partial<Issuer> = {}): Issuer => ({
  name,
  issuer: `https://${name}.example`,
  keys: () => keys,
  demand: async () => await Promise.resolve(),
  algorithms: undefined,
  audience: [],
  clockSkew: 0,
  allowNoExp: false,
  ...more,
});
const issuers = [issuer('a', [a.key, rsa.key]), issuer('b', [b.key])];
const ofA = (claims: object): string => a.token({ iss: 'https://a.example', ...good, ...claims });

const validate = async (
  token: string,
  parts: Partial<ValidatorParts> = {},
  policy: Partial<Policy> = {},
): Promise<Validation> =>
  await new Validator({ clock, issuers, groups: { claim: 'groups', order: ['claim'] }, ...parts }).validate(
    token,
    { ...noPolicy, ...policy },
  );

const reasonOf = async (...args: Parameters<typeof validate>): Promise<string> => {
  const outcome = await validate(...args);
  return outcome.valid ? 'valid' : outcome.reason;
};

describe('a token', () => {
  test('is valid with a key of the issuer it names', async () => {
    expect(await validate(ofA({ groups: ['x'] }))).toEqual({
      valid: true,
      sub: 'jane',
      iss: 'https://a.example',
      issuer: 'a',
      claims: { iss: 'https://a.example', ...good, groups: ['x'] },
      groups: ['x'],
    });
  });

  test('signed with the key of one issuer is never valid in the name of another, same kid or not', async () => {
    await assert(
      asyncProperty(
        constantFrom(a, b, rsa),
        constantFrom('a', 'b', 'c', undefined),
        boolean(),
        async (signed, named, reversed) => {
          const iss = named === undefined ? {} : { iss: `https://${named}.example` };
          const own = (signed === b ? 'b' : 'a') === named;
          const parts = { issuers: reversed ? issuers.toReversed() : issuers };
          expect((await validate(signed.token({ ...good, ...iss }), parts)).valid).toBe(own);
        },
      ),
      { seed: 9, numRuns: 60 },
    );
  });

  test('is not valid any more when one byte of it changed', async () => {
    const token = ofA({});
    await assert(
      asyncProperty(nat(token.length - 1), integer({ min: 33, max: 126 }), async (at, code) => {
        const changed = token.slice(0, at) + String.fromCharCode(code) + token.slice(at + 1);
        expect((await validate(changed)).valid).toBe(changed === token);
      }),
      { seed: 9, numRuns: 300 },
    );
  });

  test('has the same outcome whatever the order of keys and issuers', async () => {
    const all = [a.key, rsa.key, b.key];
    await assert(
      asyncProperty(
        shuffledSubarray(all, { minLength: 3 }),
        constantFrom(a, b, rsa, signer('ES256', 'stranger')),
        async (keys, signed) => {
          const one = [issuer('all', all, { issuer: undefined })];
          const other = [issuer('all', keys, { issuer: undefined })];
          const token = signed.token(good);
          expect(await validate(token, { issuers: other })).toEqual(await validate(token, { issuers: one }));
        },
      ),
      { seed: 9, numRuns: 40 },
    );
  });

  test('of any payload gets an answer and no exception', async () => {
    await assert(
      asyncProperty(json(), async (payload) => {
        const outcome = await validate(a.token(payload));
        if (outcome.valid) expect(outcome.sub).toMatch(/./su);
      }),
      { seed: 9, numRuns: 200 },
    );
  });

  test.each<[string, object, string]>([
    ['without sub', { sub: undefined }, 'bad_sub'],
    ['with an empty sub', { sub: '' }, 'bad_sub'],
    ['with a number for sub', { sub: 5 }, 'bad_sub'],
    ['with half a character for sub', { sub: 'a\ud800' }, 'bad_sub'],
    ['with line breaks in sub', { sub: 'a\r\nx: y' }, 'valid'],
    ['without exp', { exp: undefined }, 'no_exp'],
    ['with an exp of 1e308', { exp: 1e308 }, 'bad_claim'],
    ['with a text for exp', { exp: String(now + 60) }, 'bad_claim'],
    ['that expired', { exp: now }, 'expired'],
    ['that is not valid yet', { nbf: now + 1 }, 'not_yet_valid'],
    ['with a list for iss', { iss: ['https://a.example'] }, 'bad_claim'],
    ['of an issuer that differs in a slash', { iss: 'https://a.example/' }, 'unknown_issuer'],
    ['without iss', { iss: undefined }, 'unknown_issuer'],
    ['with a text for groups', { groups: 'admins' }, 'bad_groups'],
    ['with nested groups', { groups: [['admins']] }, 'bad_groups'],
    ['with null for groups', { groups: null }, 'valid'],
    ['with 1,500 groups', { groups: Array.from({ length: 1500 }, (_, n) => `g${n}`) }, 'valid'],
    ['with a number in aud', { aud: ['x', 5] }, 'bad_audience'],
    ['of more than 16 KiB', { filler: 'x'.repeat(16_384) }, 'too_large'],
    ['of 1 MiB', { filler: 'x'.repeat(1 << 20) }, 'too_large'],
  ])('%s', async (_name, claims, expected) => {
    expect(await reasonOf(ofA(claims))).toBe(expected);
  });

  test.each([
    ['', 'no_token'],
    ['opaque', 'opaque'],
    ['a.b', 'opaque'],
    ['a.b.c.d', 'opaque'],
    ['!!.!!.!!', 'opaque'],
    ['e30.e30.', 'malformed'],
  ])('that is %j is refused', async (token, reason) => {
    expect(await reasonOf(token)).toBe(reason);
  });

  test('of no fixed issuer is taken where an entry says so, with every key in turn', async () => {
    const any = [issuer('pems', [b.key, a.key], { issuer: undefined })];
    expect(await reasonOf(a.token(good), { issuers: any })).toBe('valid');
    expect(await reasonOf(ofA({}), { issuers: any })).toBe('valid');
    // The entry that has the issuer's name goes first: its keys decide alone.
    const both = [issuer('pems', [a.key], { issuer: undefined }), issuer('a', [b.key])];
    expect(await reasonOf(ofA({}), { issuers: both })).toBe('bad_signature');
  });

  test('with an unknown kid causes one refresh, and is valid when that brought its key', async () => {
    let keys: readonly Key[] = [rsa.key];
    const asked: string[] = [];
    const late = issuer('a', [], {
      keys: () => keys,
      demand: async (kid) => {
        asked.push(kid);
        keys = [rsa.key, a.key];
        await Promise.resolve();
      },
    });
    expect(await reasonOf(ofA({}), { issuers: [late] })).toBe('valid');
    expect(asked).toEqual(['same']);
    keys = [rsa.key];
    const never = { ...late, demand: async (kid: string) => await Promise.resolve(asked.push(kid)) };
    expect(await reasonOf(ofA({}), { issuers: [never] })).toBe('unknown_kid');
    expect(asked).toEqual(['same', 'same']);
  });

  test('must name one of the audiences of its issuer', async () => {
    const parts = { issuers: [issuer('a', [a.key], { audience: ['x', 'y'] })] };
    expect(await reasonOf(ofA({ aud: ['z', 'y'] }), parts)).toBe('valid');
    expect(await reasonOf(ofA({ aud: 'z' }), parts)).toBe('bad_audience');
    expect(await reasonOf(ofA({}), parts)).toBe('bad_audience');
  });
});

describe('a policy', () => {
  test.each<[object, Partial<Policy>, string]>([
    [{ aud: 'x' }, { audience: ['x'] }, 'valid'],
    [{ aud: ['x'] }, { audience: ['x', 'y'] }, 'policy_audience'],
    [{ scope: 'read write' }, { scope: ['write'] }, 'valid'],
    [{ scope: 'read writer' }, { scope: ['write'] }, 'policy_scope'],
    [{ scp: ['read'] }, { scope: ['read'] }, 'valid'],
    [{ groups: ['Admins'] }, { group: ['admins'] }, 'valid'],
    [{ groups: ['admins'] }, { group: ['admins', 'staff'] }, 'policy_group'],
    [{}, { group: ['admins'] }, 'policy_group'],
  ])('%j under %j: %s', async (claims, policy, expected) => {
    const reason = await reasonOf(ofA(claims), {}, policy);
    expect(reason).toBe(expected);
    if (reason !== 'valid') expect(isPolicy(reason as 'policy_group')).toBe(true);
  });
});

const says = (answer: GroupsAnswer): GroupsResolver & { asked: string[] } => {
  const asked: string[] = [];
  return {
    asked,
    resolve: async (sub) => {
      asked.push(sub);
      return await Promise.resolve(answer);
    },
  };
};
const groupsOf = async (claims: object, ...places: readonly GroupsResolver[]): Promise<unknown> => {
  const groups = { claim: 'groups', order: ['claim' as const, ...places] };
  const outcome = await validate(ofA(claims), { groups });
  return outcome.valid ? outcome.groups : outcome.reason;
};

describe('groups', () => {
  test('of the claim win even when there are none', async () => {
    const ldap = says({ known: true, groups: ['l'] });
    expect(await groupsOf({ groups: [] }, ldap)).toEqual([]);
    expect(ldap.asked).toEqual([]);
  });

  test.each([undefined, null])(
    'of a claim that is %s come from the first place that knows them',
    async (groups) => {
      const silent = says({ known: false });
      const ldap = says({ known: true, groups: ['Staff', 'staff', 'b'] });
      const http = says({ known: true, groups: ['h'] });
      expect(await groupsOf({ groups }, silent, ldap, http)).toEqual(['Staff', 'b']);
      expect([silent.asked, ldap.asked, http.asked]).toEqual([['jane'], ['jane'], []]);
    },
  );

  test('that nobody knows are none, and a place that cannot be asked forbids', async () => {
    expect(await groupsOf({}, says({ known: false }))).toEqual([]);
    expect(await groupsOf({}, says({ known: 'unavailable', hint: 'down' }))).toBe('groups_unavailable');
  });
});

const remote = (answer: RemoteAnswer): Remote => ({ ask: async () => await Promise.resolve(answer) });

describe('a remote', () => {
  const accepts = remote({ valid: true, sub: 'joe', iss: undefined, claims: { sub: 'joe', groups: ['r'] } });
  const refuses = remote({ valid: false, unavailable: false, hint: 'it said 401' });
  const down = remote({ valid: false, unavailable: true, hint: 'it hangs' });

  test('is asked first, also about opaque tokens, and its word counts', async () => {
    expect(await validate('opaque', { remote: accepts })).toMatchObject({
      valid: true,
      sub: 'joe',
      issuer: 'remote',
      groups: ['r'],
    });
    expect(await reasonOf('opaque', { remote: refuses })).toBe('remote_refused');
  });

  test.each<['always' | 'unavailable-only' | 'never', Remote, string]>([
    ['always', refuses, 'valid'],
    ['always', down, 'valid'],
    ['unavailable-only', refuses, 'remote_refused'],
    ['unavailable-only', down, 'valid'],
    ['never', refuses, 'remote_refused'],
    ['never', down, 'remote_unavailable'],
  ])('with fallback %s', async (fallback, asked, expected) => {
    expect(await reasonOf(ofA({}), { remote: asked, fallback })).toBe(expected);
  });

  test('is not asked without a token', async () => {
    expect(await reasonOf('', { remote: accepts })).toBe('no_token');
  });
});
