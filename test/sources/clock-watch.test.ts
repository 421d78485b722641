import { expect, test } from 'vitest';
import { ClockWatch } from '../../src/sources/clock-watch.ts';
import { ManualClock } from '../fakes/clock.ts';

const watch = () => {
  const clock = new ManualClock();
  const seen: number[] = [];
  const watcher = new ClockWatch(clock, (ms) => seen.push(ms));
  watcher.start();
  return { clock, seen, watcher };
};
const day = 86_400_000;

test.each([
  ['forward', day],
  ['back', -day],
])('a step %s is told once', async (_name, step) => {
  const { clock, seen, watcher } = watch();
  await clock.advance(30_000);
  clock.stepWall(step);
  await clock.advance(60_000);
  expect(seen).toEqual([step]);
  expect(watcher.jumps).toBe(1);
});

test('a step of a minute or less is the work of a time service', async () => {
  const { clock, seen } = watch();
  for (const step of [60_000, -60_000, 500]) {
    clock.stepWall(step);
    await clock.advance(10_000);
  }
  expect(seen).toEqual([]);
});

test('nothing is told, and no alarm is left, after stop', async () => {
  const { clock, seen, watcher } = watch();
  watcher.stop();
  clock.stepWall(day);
  await clock.advance(60_000);
  expect(seen).toEqual([]);
  expect(clock.pending).toBe(0);
});
