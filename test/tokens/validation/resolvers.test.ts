import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { GroupsAnswer, GroupsResolver } from '../../../src/tokens/validation/groups.ts';
import { HttpGroups } from '../../../src/tokens/validation/http-groups.ts';
import { RemoteServer } from '../../../src/tokens/validation/remote-server.ts';
import { remembering, type OnError } from '../../../src/tokens/validation/resolvers.ts';
import { Tally } from '../../../src/tokens/validation/tally.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { delayed, FakeUpstream, hang, ok, redirect, status, type Handler } from '../../fakes/upstream.ts';

const setUp = (answers: readonly GroupsAnswer[], onError: OnError = 'deny') => {
  const clock = new ManualClock();
  const asked: string[] = [];
  const warnings: string[] = [];
  const results = new Tally();
  const left = [...answers];
  const inner: GroupsResolver = {
    resolve: async (sub) => {
      asked.push(sub);
      return await Promise.resolve(left.shift() ?? { known: false });
    },
  };
  const warn = (hint: string): void => void warnings.push(hint);
  return {
    clock,
    asked,
    warnings,
    results,
    resolver: remembering(inner, { clock, ttl: 60_000, onError, warn, results }),
  };
};
const staff: GroupsAnswer = { known: true, groups: ['staff'] };
const down: GroupsAnswer = { known: 'unavailable', hint: 'it is down' };

describe('groups that were asked for', () => {
  test('are kept for the time of the cache and no longer, one subject apart from another', async () => {
    const { resolver, clock, asked, results } = setUp([staff, { known: true, groups: [] }]);
    expect([await resolver.resolve('jane'), await resolver.resolve('jane')]).toEqual([staff, staff]);
    expect(await resolver.resolve('joe')).toEqual({ known: true, groups: [] });
    await clock.advance(59_999);
    expect(await resolver.resolve('jane')).toEqual(staff);
    await clock.advance(1);
    expect(await resolver.resolve('jane')).toEqual({ known: false });
    // That there are none is remembered as well.
    expect(await resolver.resolve('jane')).toEqual({ known: false });
    expect(asked).toEqual(['jane', 'joe', 'jane']);
    expect(results.counts).toEqual({ known: 2, cached: 3, unknown: 1 });
  });

  test('are asked for once by all who want them at the same time', async () => {
    const { resolver, asked } = setUp([staff]);
    const all = await Promise.all(Array.from({ length: 50 }, async () => await resolver.resolve('jane')));
    expect(new Set(all)).toEqual(new Set([staff]));
    expect(asked).toEqual(['jane']);
  });

  test('of a place that cannot be asked are none or a refusal, as configured, and never remembered', async () => {
    const deny = setUp([down, staff]);
    expect([await deny.resolver.resolve('jane'), await deny.resolver.resolve('jane')]).toEqual([down, staff]);
    expect(deny.warnings).toEqual(['it is down']);
    const empty = setUp([down, staff], 'empty');
    expect([await empty.resolver.resolve('jane'), await empty.resolver.resolve('jane')]).toEqual([
      { known: true, groups: [] },
      staff,
    ]);
    expect(empty.warnings).toEqual(['it is down']);
    expect(empty.results.counts).toEqual({ unavailable: 1, known: 1 });
  });
});

const ask = async (handler: Handler, sub = 'jane') => {
  await using server = await FakeUpstream.start({ handler });
  const { href } = server.url('/groups?realm=x&user=root');
  const answer = await new HttpGroups({ url: href, timeout: 400 }, systemClock).resolve(sub);
  return { answer, requests: server.requests };
};

describe('a server with groups', () => {
  test('is asked for the subject alone, whatever characters it has', async () => {
    const sub = 'a&user=root#/../é +%';
    const { requests } = await ask(ok([]), sub);
    expect(requests).toHaveLength(1);
    const { searchParams, pathname } = new URL(requests[0]?.url ?? '', 'http://host');
    expect([pathname, searchParams.getAll('user'), searchParams.get('realm')]).toEqual([
      '/groups',
      [sub],
      'x',
    ]);
    expect(requests[0]).toMatchObject({ method: 'GET', headers: { accept: 'application/json' } });
  });

  const known: [string, Handler, readonly string[]][] = [
    ['a list', ok(['a', 'A', 'b']), ['a', 'b']],
    ['an object', ok({ groups: ['a'] }), ['a']],
    ['none', ok({ groups: [] }), []],
    ['404', status(404), []],
  ];
  test.each(known)('that answers with %s knows them', async (_name, handler, groups) => {
    expect((await ask(handler)).answer).toEqual({ known: true, groups });
  });

  const bad: [string, Handler][] = [
    ['500', status(500)],
    ['401', status(401)],
    ['302', redirect('/elsewhere')],
    ['204', status(204)],
    ['HTML', ok('<html>', { 'content-type': 'text/html' })],
    ['a text', ok('"a"')],
    ['null', ok('null')],
    ['null for groups', ok({ groups: null })],
    ['numbers', ok([1])],
    ['nested lists', ok({ groups: [['a']] })],
    ['nothing', ok('')],
    ['1 MB', ok(['x'.repeat(1 << 20)])],
    ['silence', hang()],
    ['something late', delayed(2000, ok([]))],
  ];
  test.each(bad)('that answers with %s is unavailable', async (_name, handler) => {
    const { answer } = await ask(handler);
    expect(answer).toMatchObject({ known: 'unavailable' });
    expect(JSON.stringify(answer)).not.toContain('jane');
  });
});

const setClock = () => {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  // The network takes the time it takes; only what is remembered is measured.
  return { clock, parts: { ...systemClock, now: () => clock.now(), wall: () => clock.wall() } };
};

describe('the answer of an authentication server', () => {
  test.each([
    [undefined, 60],
    [600, 60],
    [10, 10],
  ])('with exp in %s s is believed for %i s', async (exp, seconds) => {
    const { clock, parts } = setClock();
    const claims = exp === undefined ? {} : { exp: clock.wall() / 1000 + exp };
    await using server = await FakeUpstream.start({ handler: ok({ sub: 'joe', ...claims }) });
    const remote = new RemoteServer(server.url().href, parts);
    const all = await Promise.all([remote.ask('t'), remote.ask('t'), remote.ask('t')]);
    expect(all.every(({ valid }) => valid)).toBe(true);
    await clock.advance(seconds * 1000 - 1);
    await remote.ask('t');
    expect(server.requests).toHaveLength(1);
    await remote.ask('u');
    expect(server.requests).toHaveLength(2);
    await clock.advance(1);
    expect((await remote.ask('t')).valid).toBe(seconds === 60);
    expect(server.requests).toHaveLength(3);
  });

  test('is not believed past exp when the wall clock was set', async () => {
    const { clock, parts } = setClock();
    const exp = clock.wall() / 1000 + 50;
    await using server = await FakeUpstream.start({ handler: ok({ sub: 'joe', exp }) });
    const remote = new RemoteServer(server.url().href, parts);
    expect((await remote.ask('t')).valid).toBe(true);
    clock.stepWall(3_600_000);
    expect((await remote.ask('t')).valid).toBe(false);
  });

  test('that says no is not remembered', async () => {
    await using server = await FakeUpstream.start({ handler: status(401) });
    const remote = new RemoteServer(server.url().href, systemClock);
    await remote.ask('t');
    server.handler = ok({ sub: 'joe' });
    expect((await remote.ask('t')).valid).toBe(true);
    expect(remote.results).toEqual({ refused: 1, valid: 1 });
  });

  test.each(['a b', 'a\r\nx: y', 'ü', 'x'.repeat(16_385)])('is not asked for about %j', async (token) => {
    await using server = await FakeUpstream.start({ handler: ok({ sub: 'joe' }) });
    expect((await new RemoteServer(server.url().href, systemClock).ask(token)).valid).toBe(false);
    expect(server.requests).toEqual([]);
  });
});
