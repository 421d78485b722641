import { expect, test } from 'vitest';
import { logNotes, newNotes, tellNotes, type Note } from '../../src/sources/log.ts';
import { createLog } from '../fakes/log.ts';

const weak: Note[] = Array.from({ length: 25 }, (_, index) => ({
  reason: 'weak_key',
  detail: `too short ${index}`,
  index,
}));
const leaked: Note = { reason: 'private_material', detail: 'has private members', kid: 'k' };

test('a private key does not drown in other notes', () => {
  const told = tellNotes([...weak, leaked]);
  expect(told[0]).toBe('private_material: has private members (kid k)');
  expect(told[1]).toBe('weak_key: too short 0 (entry 0)');
  expect(told).toHaveLength(21);
  expect(told.at(-1)).toBe('and 6 more');
  const { log, lines } = createLog();
  logNotes(log, 'idp', [...weak, leaked], 'error');
  expect(JSON.stringify(lines[0])).toContain('private_material');
  expect(JSON.stringify(lines.at(-1))).toContain('and 6 more');
});

test('what was told once is not news, another key with the same trouble is', () => {
  const other = { ...leaked, kid: 'l' };
  expect(newNotes([leaked], [leaked, other])).toEqual([other]);
});
