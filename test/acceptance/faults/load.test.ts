import { describe, expect, test } from 'vitest';
import { jwks } from '../../fakes/keys.ts';
import { hang, ok, status, type Handler } from '../../fakes/upstream.ts';
import { exchange, get } from '../client.ts';
import { digestOf } from '../signer.ts';
import { startRig } from './rig.ts';

const [clients, connections, perConnection] = [50, 10, 20];
const made = clients * connections * perConnection;

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;

/** Asks for as many made-up keys on one connection, without waiting for an answer; the statuses, in order. */
const flood = async (port: number, connection: string): Promise<readonly string[]> => {
  const requests = Array.from({ length: perConnection }, (_, n) => {
    const kid = `made-up-${connection}-${n}`;
    const path = n % 2 === 0 ? `/a/pem/${digestOf(kid)}.pem` : `/sets/a/keys/${kid}`;
    const last = n === perConnection - 1 ? 'Connection: close\r\n' : '';
    return `GET ${path} HTTP/1.1\r\nHost: keys\r\n${last}\r\n`;
  });
  const received = await exchange(port, requests.join(''), 25_000);
  return [...received.matchAll(/HTTP\/1\.1 (\d{3}) /gu)].map(([, code = '']) => code);
};

describe.each<readonly [string, Handler]>([
  ['answers as before', ok(jwks('good'))],
  ['hangs', hang()],
  ['fails', status(500)],
])('twice 10,000 made-up kids while the upstream %s', (_title, handler) => {
  test('cost it two requests beside its schedule, and the good key nothing', async () => {
    await using rig = await startRig([{ name: 'a', source: { totalTimeout: '2s' } }], {
      first: ok(jwks('good')),
    });
    const { jwksd, upstreams } = rig;
    await jwksd.all('FRESH');
    upstreams.set('a', handler);
    const before = upstreams.count('a');
    const memory = async (): Promise<number> => await jwksd.metric('process_resident_memory_bytes');
    const begun = performance.now();
    const over = new AbortController();
    const good: number[] = [];
    const verify = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const from = performance.now();
        const pem = await get(`${jwksd.server.url}/a/pem/${digestOf('good')}.pem`);
        good.push(performance.now() - from);
        expect(pem.status).toBe(200);
      }
    };
    const verifying = verify();
    const wave = async (name: string): Promise<void> => {
      const codes: string[] = [];
      const client = async (_: unknown, id: number): Promise<void> => {
        for (let n = 0; n < connections; n += 1) {
          codes.push(...(await flood(jwksd.server.port, `${name}-${id}-${n}`)));
        }
      };
      await Promise.all(Array.from({ length: clients }, client));
      // Every one is answered.
      expect(codes).toEqual(Array.from({ length: made }, () => '404'));
    };
    await wave('first');
    const afterFirst = await memory();
    await wave('second');
    const afterSecond = await memory();
    over.abort();
    await verifying;
    const seconds = (performance.now() - begun) / 1000;

    // Two tokens and one every 30 s; and a failure is followed by attempts of the schedule, 2.5 s apart at the least.
    const allowed = 2 + Math.floor(seconds / 30) + Math.ceil(seconds / 2.5);
    expect(upstreams.count('a') - before).toBeLessThanOrEqual(allowed);
    expect(percentile(good, 0.5)).toBeLessThan(1000);
    // Every answer within 3 s, whatever the upstream does and however busy the machine that tests is.
    expect(Math.max(...good)).toBeLessThan(3000);
    // The heap grows to its working size under the first wave; names that were remembered would show in the second.
    expect(afterSecond - afterFirst).toBeLessThan(96 * 1024 * 1024);
    expect(await jwksd.kids('a')).toEqual(['good']);
    const results = [...(await jwksd.metrics())].filter(([name]) =>
      name.startsWith('jwksd_upstream_demand_refresh_total'),
    );
    expect(results.reduce((sum, [, count]) => sum + count, 0)).toBe(2 * made);
    // No name that a caller made up is in the metrics or in the log.
    expect((await get(`${jwksd.server.opsUrl}/metrics`)).text).not.toContain('made-up');
    expect(jwksd.server.output()).not.toContain('made-up');
  }, 60_000);
});
