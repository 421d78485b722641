import { describe, expect, test } from 'vitest';
import { Explainer } from '../../src/tokens/validation/explainer.ts';
import { Validator } from '../../src/tokens/validation/validator.ts';
import { ManualClock } from '../fakes/clock.ts';
import { FakeSource } from '../fakes/source.ts';
import { signer } from '../tokens/signer.ts';
import { rsaKey, service } from './service.ts';

const idp = signer('ES256', 'idp');
const clock = new ManualClock(Date.parse('2026-11-22T12:00:00Z'));
const exp = clock.wall() / 1000 + 60;
const iss = 'https://sso.example';
const good = idp.token({ iss, sub: 'jane', exp, scope: 'read', email: 'jane@example.org' });
const expired = idp.token({ iss, sub: 'jane', exp: exp - 152, email: 'jane@example.org' });

const issuers = [
  {
    name: 'main',
    issuer: iss,
    keys: () => [idp.key],
    demand: async () => await Promise.resolve(),
    algorithms: undefined,
    audience: [],
    clockSkew: 5000,
    allowNoExp: false,
  },
];

const start = async (opsToken: string | null = null) => {
  const validator = new Validator({ clock, issuers, groups: { claim: 'groups', order: ['claim'] } });
  const explainer = new Explainer({ clock, validator, issuers, knowledge: () => undefined });
  const { app, ops, log } = await service({
    sources: [new FakeSource('main', [rsaKey('a')])],
    ops: { token: opsToken, validation: { explainer, status: () => ({ results: validator.results }) } },
  });
  const ask = async (payload: string, headers: Record<string, string> = {}, query = '?explain=1') => {
    const { statusCode, body } = await ops.inject({
      method: 'POST',
      url: `/validate${query}`,
      headers,
      payload,
    });
    return { status: statusCode, json: JSON.parse(body) as Record<string, unknown> };
  };
  return { app, ops, log, ask };
};

const refusal = {
  valid: false,
  reason: 'expired',
  hint: expect.stringMatching(/expired 92 s ago.*5 s apart/u) as string,
};

describe('POST /validate?explain=1 on the ops listener', () => {
  const types: [string, string, Record<string, string>][] = [
    ['as it is', expired, {}],
    ['with a line break', `${expired}\n`, { 'content-type': 'text/plain' }],
    ['as curl -d sends it', expired, { 'content-type': 'application/x-www-form-urlencoded' }],
    ['in a form', `x=y&token=${expired}`, { 'content-type': 'application/x-www-form-urlencoded' }],
    ['in JSON', JSON.stringify({ token: expired }), { 'content-type': 'application/json' }],
    ['in the header', '', { authorization: `Bearer ${expired}` }],
  ];
  test.each(types)('takes the token %s, and says why it is not valid', async (_name, body, headers) => {
    const { ask } = await start();
    expect(await ask(body, headers)).toEqual({ status: 200, json: refusal });
  });

  test('says what is in a good token, and holds it against the query', async () => {
    const { ask } = await start();
    expect((await ask(good)).json).toEqual({
      valid: true,
      issuer: 'main',
      claims: { sub: 'jane', iss, groups: [], exp, scope: 'read', email: 'jane@example.org' },
    });
    expect((await ask(good, {}, '?explain=1&scope=write')).json).toMatchObject({ reason: 'policy_scope' });
    expect((await ask('')).json).toMatchObject({ reason: 'no_token' });
    expect((await ask('x'.repeat(40_000))).json).toMatchObject({ reason: 'too_large' });
  });

  test('is guarded as writes are', async () => {
    const open = await start();
    expect((await open.ask(good, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await open.ask(good, { host: 'evil.example' })).status).toBe(403);
    const closed = await start('a token of the ops listener');
    expect((await closed.ask(good)).status).toBe(401);
    expect((await closed.ask(good, { authorization: `Bearer ${good}` })).status).toBe(401);
    const headers = { authorization: 'Bearer a token of the ops listener' };
    expect((await closed.ask(expired, headers)).json).toMatchObject(refusal);
    // There the header holds another token.
    expect((await closed.ask('', headers)).json).toMatchObject({ reason: 'no_token' });
  });

  test('is nothing else, and nowhere else', async () => {
    const { ask, ops, app } = await start();
    expect((await ask(good, {}, '')).status).toBe(400);
    expect((await ops.inject({ url: '/validate?explain=1' })).statusCode).toBe(405);
    expect((await ask('x'.repeat(70_000))).status).toBe(413);
    const url = '/validate?explain=1';
    expect((await app.inject({ method: 'POST', url, payload: good })).statusCode).not.toBe(200);
  });

  test('leaves no token and no subject in the log, and the counts as they are', async () => {
    const { ask, ops, log } = await start();
    for (const token of [good, expired]) await ask(token);
    expect(JSON.stringify(log)).not.toContain(good.slice(-20));
    expect(JSON.stringify(log)).not.toContain('jane');
    expect((await ops.inject({ url: '/status' })).json()).toMatchObject({ validation: { results: {} } });
  });
});
