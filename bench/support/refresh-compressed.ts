import { randomUUID } from 'node:crypto';
import { ManualClock, until } from '../../test/fakes/clock.ts';
import { failing } from '../../test/fakes/upstream-source.ts';
import { listing, startCompressed, type Compressed } from './compressed.ts';
import type { Figure } from './figure.ts';
import { workDirectory } from './keys.ts';
import { shown } from './report.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const how = 'time-compressed: injected clock and network, parts wired as in the server';

/** Spreads `total` requests over `span`, at most a thousand at a time; returns how many were answered. */
const load = async (
  at: Compressed,
  { total, span, kid }: { readonly total: number; readonly span: number; readonly kid: () => string },
): Promise<number> => {
  const batch = Math.min(1000, total);
  let right = 0;
  for (let sent = 0; sent < total; sent += batch) {
    const asked = Array.from({ length: batch }, async () => await at.ask(kid()));
    await at.clock.advance((span * batch) / total);
    for (const found of await Promise.all(asked)) right += found ? 1 : 0;
  }
  return right;
};

const outage12h = async (): Promise<Figure> => {
  const state = workDirectory();
  const clock = new ManualClock();
  const before = await startCompressed([listing('good')], { clock, state });
  await until(() => (before.source.status().remembered?.writes ?? 0) > 0);
  before.network.answerWith(failing('connect'));
  const half = { total: 360_000, span: 6 * hour, kid: () => 'good' };
  let right = await load(before, half);
  await before.keyring.close();
  const after = await startCompressed([failing('connect')], { clock, state });
  right += await load(after, half);
  await after.keyring.close();
  const percent = (100 * right) / (2 * half.total);
  return {
    name: 'right answers through a 12 h outage with a restart in it',
    measured: `${shown(percent, percent === 100 ? 0 : 3)} % of ${shown(2 * half.total)}`,
    target: '100 %',
    met: percent === 100,
    how: `${how}; the last-known-good file is a real one`,
  };
};

const outage1h = async (kid: () => string, name: string, limit: number): Promise<Figure> => {
  const at = await startCompressed([listing('good')]);
  at.network.answerWith(failing('connect'));
  const before = at.network.sent.length;
  await load(at, { total: 1_000_000, span: hour, kid });
  const fetches = at.network.sent.length - before;
  await at.keyring.close();
  return { name, measured: shown(fetches), target: `<= ${limit}`, met: fetches <= limit, how };
};

const madeUp1h = async (): Promise<Figure> => {
  const at = await startCompressed([listing('good')]);
  // What the schedule alone would ask in this hour.
  const quiet = await startCompressed([listing('good')]);
  await quiet.clock.advance(hour);
  const before = at.network.sent.length;
  await load(at, { total: 1_000_000, span: hour, kid: randomUUID });
  const fetches = at.network.sent.length - before;
  const schedule = quiet.network.sent.length - 1;
  const good = at.has('good');
  await Promise.all([at.keyring.close(), quiet.keyring.close()]);
  return {
    name: 'fetches under 1 M made-up kids in 1 h',
    measured: `${shown(fetches)}, and the good key is ${good ? 'there' : 'LOST'}`,
    target: `<= 122 + schedule (${schedule})`,
    met: good && fetches <= 122 + schedule,
    how,
  };
};

/**
 * Moves time on by seconds until the source has the key; the milliseconds that took.
 *
 * A snapshot is built on the real clock, so the published set is waited for without moving the injected one.
 */
const elapsed = async (at: Compressed, kid: string): Promise<number> => {
  const begun = at.clock.now();
  while (!at.source.current.keys.some(({ jwk }) => jwk.kid === kid)) {
    if (at.clock.now() - begun > 2 * hour) throw new Error('never');
    await at.clock.advance(second);
  }
  await until(() => at.has(kid));
  return at.clock.now() - begun;
};

const trials = 100;

const passiveRotation = async (): Promise<Figure> => {
  let longest = 0;
  for (let n = 0; n < trials; n += 1) {
    const at = await startCompressed([listing('good')]);
    await at.clock.advance(Math.random() * 20 * minute);
    at.network.answerWith(listing('next', 'good'));
    longest = Math.max(longest, await elapsed(at, 'next'));
    await at.keyring.close();
  }
  return {
    name: 'rotation seen without anybody asking',
    measured: `${shown(longest / second)} s, the longest of ${trials}`,
    target: '<= 330 s',
    met: longest <= 330 * second,
    how,
  };
};

const recovery = async (): Promise<Figure> => {
  let longest = 0;
  for (let n = 0; n < trials; n += 1) {
    const at = await startCompressed([listing('good')]);
    at.network.answerWith(failing('connect'));
    await at.clock.advance(5 * minute + Math.random() * 2 * hour);
    at.network.answerWith(listing('next'));
    longest = Math.max(longest, await elapsed(at, 'next'));
    await at.keyring.close();
  }
  return {
    name: 'recovery after an outage',
    measured: `${shown(longest / second)} s, the longest of ${trials}`,
    target: '<= 70 s',
    met: longest <= 70 * second,
    how,
  };
};

/** The figures whose hours are compressed. */
export const compressedFigures = async (): Promise<readonly Figure[]> => [
  await outage12h(),
  await outage1h(() => 'good', 'upstream fetches in a 1 h outage under 1 M requests', 125),
  await outage1h(randomUUID, 'the same when all 1 M ask for made-up kids', 122 + 125),
  await madeUp1h(),
  await passiveRotation(),
  await recovery(),
];
