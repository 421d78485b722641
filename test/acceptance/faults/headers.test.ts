import { afterAll, beforeAll, expect, test } from 'vitest';
import { jwks } from '../../fakes/keys.ts';
import { conditional, ok, sequence, status, type Handler } from '../../fakes/upstream.ts';
import { startRig, type Rig } from './rig.ts';

const set = jwks('good');
type Headers = Readonly<Record<string, string | readonly string[]>>;

const [refreshMin, refreshInterval, refreshMax] = [60, 200, 300];
const inAnHour = new Date(Date.now() + 3_600_000).toUTCString();

/** Caching headers, and the seconds after which the next attempt is due. */
const headers: readonly (readonly [title: string, headers: Headers, seconds: number])[] = [
  ['none', {}, refreshInterval],
  ["Okta's", { 'cache-control': 'max-age=3293198, must-revalidate', expires: inAnHour }, refreshMax],
  ["Keycloak 23's", { 'cache-control': 'no-transform, must-revalidate, max-age=2592000' }, refreshMax],
  ["Keycloak 22's", { 'cache-control': 'no-cache' }, refreshMin],
  [
    "Auth0's",
    { 'cache-control': 'public, max-age=15, stale-while-revalidate=15, stale-if-error=86400' },
    refreshMin,
  ],
  ["Entra's", { 'cache-control': 'max-age=86400, private' }, refreshMax],
  ["Google's", { 'cache-control': 'public, max-age=800, must-revalidate, no-transform', age: '80' }, 180],
  ['no-store', { 'cache-control': 'no-store' }, refreshMin],
  ['max-age=0', { 'cache-control': 'max-age=0' }, refreshMin],
  ['max-age=720', { 'cache-control': 'max-age=720' }, 180],
  ['s-maxage before max-age', { 'cache-control': 'max-age=99999, s-maxage=720' }, 180],
  ['upper case and quotes', { 'cache-control': 'Public, MAX-AGE="720"' }, 180],
  ['two headers', { 'cache-control': ['max-age=720', 'max-age=99999'] }, 180],
  ['two headers, one of them no-cache', { 'cache-control': ['max-age=99999', 'no-cache'] }, refreshMin],
  ['an age beyond the lifetime', { 'cache-control': 'max-age=720', age: '9999' }, refreshMin],
  ['Expires', { date: new Date(0).toUTCString(), expires: new Date(720_000).toUTCString() }, 180],
  ['Expires: 0', { expires: '0' }, refreshMin],
  ['Expires: -1', { expires: '-1' }, refreshMin],
  ['garbage', { 'cache-control': ';;=,max-age=tomorrow,,\t"' }, refreshInterval],
  ['a negative max-age', { 'cache-control': 'max-age=-720' }, refreshInterval],
  ['a fraction', { 'cache-control': 'max-age=720.5' }, refreshInterval],
  ['an enormous max-age', { 'cache-control': `max-age=${'9'.repeat(19)}` }, refreshMax],
  ['a max-age no number can hold', { 'cache-control': `max-age=${'9'.repeat(300)}` }, refreshMax],
  ['10,000 directives', { 'cache-control': `${'x,'.repeat(5000)}max-age=720` }, 180],
  ['validators that are garbage', { etag: 'W/"\xe9', 'last-modified': 'yesterday' }, refreshInterval],
];

/** Error answers, and the bounds of the wait. With keys the first backoff is 2.5 to 5 s. */
const errors: readonly (readonly [title: string, handler: Handler, least: number, most: number])[] = [
  ['404 without headers', status(404), 2.5, 5],
  ['404 that may be kept for a year', status(404, { 'cache-control': 'max-age=31536000' }), 2.5, 5],
  ['429 with an hour', status(429, { 'retry-after': '3600' }), 900, 900],
  ['503 with two minutes', status(503, { 'retry-after': '120' }), 120, 120],
  ['503 with a date in the past', status(503, { 'retry-after': new Date(0).toUTCString() }), 2.5, 5],
  ['503 with a date', status(503, { 'retry-after': new Date(Date.now() + 300_000).toUTCString() }), 200, 301],
  ['429 with garbage', status(429, { 'retry-after': 'soon' }), 2.5, 5],
  ['404 with a wish that means nothing there', status(404, { 'retry-after': '120' }), 2.5, 5],
];

const source = { refreshMin: '60s', refreshInterval: '200s', refreshMax: '5m', jitter: '0%' };
const table = headers.map(([title, sent, seconds], index) => ({
  title,
  sent,
  seconds,
  name: `h${index}`,
  source,
}));
const failing = errors.map(([title, handler, least, most], index) => ({
  title,
  handler,
  least,
  most,
  name: `e${index}`,
  source,
}));
/** Asked every second; what they send as ETag, as Node reads a header. */
const validators = ['"v1"', 'no quotes', 'W/"\xe9"', '"a\tb"', `"${'x'.repeat(8000)}"`].map(
  (sent, index) => ({
    name: `v${index}`,
    sent,
    source: { ...source, refreshMin: '1s' },
  }),
);
let rig: Rig;

beforeAll(async () => {
  rig = await startRig([...table, ...failing, ...validators], {
    before: (upstreams) => {
      for (const { name, sent } of table) upstreams.set(name, ok(set, sent));
      for (const { name, handler } of failing) upstreams.set(name, sequence(ok(set), handler));
      for (const { name, sent } of validators) {
        const answer = { etag: sent, 'cache-control': 'no-cache' };
        upstreams.set(name, name === 'v0' ? conditional(set, { etag: sent }, answer) : ok(set, answer));
      }
    },
  });
  await rig.jwksd.all('FRESH');
}, 30_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

test.each(table)('$title: asked again after $seconds s', async ({ name, seconds }) => {
  const { nextAttemptIn, age } = await rig.jwksd.source(name);
  const planned = (nextAttemptIn ?? 0) + (age ?? 0);
  expect(planned).toBeGreaterThan(seconds - 0.5);
  expect(planned).toBeLessThan(seconds + 0.5);
  const { metric } = {
    metric: await rig.jwksd.metric(`jwksd_upstream_next_refresh_seconds{source="${name}"}`),
  };
  expect(Math.abs(metric - (nextAttemptIn ?? 0))).toBeLessThan(5);
  expect(await rig.jwksd.kids(name)).toEqual(['good']);
});

test.each(failing)('$title: asked again after $least to $most s', async ({ name, least, most }) => {
  const { jwksd } = rig;
  await jwksd.refresh(name);
  let left = 0;
  await jwksd.until(name, ({ consecutiveFailures, nextAttemptIn }) => {
    left = nextAttemptIn ?? 0;
    return consecutiveFailures === 1;
  });
  expect(left).toBeLessThanOrEqual(most);
  // The look at it takes a moment.
  expect(left).toBeGreaterThan(least - 1.5);
  expect(await jwksd.kids(name)).toEqual(['good']);
});

test('validators come back on schedule, whatever is in them', async () => {
  const { jwksd, upstreams } = rig;
  for (const { name, sent } of validators) {
    // The first request was without, the second has them.
    const { attempts, consecutiveFailures } = await jwksd.until(
      name,
      ({ attempts: { ok: full = 0, not_modified: confirmed = 0 } }) => full + confirmed >= 3,
    );
    const { headers: last } =
      upstreams.server.requests.findLast(({ url }) => url.startsWith(`/${name}/`)) ?? {};
    expect([name, consecutiveFailures, Object.keys(attempts)]).toEqual([
      name,
      0,
      sent === '"v1"' ? ['ok', 'not_modified'] : ['ok'],
    ]);
    expect(last?.['if-none-match'], name).toBe(sent);
    expect(await jwksd.kids(name)).toEqual(['good']);
  }
});
