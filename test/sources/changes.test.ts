import { expect, test } from 'vitest';
import { changesBetween, noChanges, type KeyState } from '../../src/sources/changes.ts';
import { paced } from '../../src/sources/pace.ts';
import { admitted, ecJwk } from '../fakes/keys.ts';

const key = (kid: string) => admitted(ecJwk(kid));
const a = key('a');
const b = key('b');
/** The name of `a`, other material. */
const otherA = admitted({ ...ecJwk('b'), kid: 'a' });
const state = (keys: KeyState['keys'], ...retiring: KeyState['keys']): KeyState => ({
  keys: [...keys, ...retiring],
  retiring: retiring.map((each) => ({ key: each, since: 0 })),
});

test.each<[string, KeyState | undefined, KeyState, Partial<typeof noChanges>]>([
  ['the first generation adds', undefined, state([a, b]), { added: 2 }],
  ['nothing new is no change', state([a, b]), state([b, a]), {}],
  ['a new key is added', state([a]), state([a, b]), { added: 1 }],
  ['a key that is missing retires', state([a, b]), state([a], b), { retired: 1 }],
  ['a key that stays missing is counted once', state([a], b), state([a], b), {}],
  ['a key whose removal is confirmed is removed', state([a], b), state([a]), { removed: 1 }],
  ['a retiring key that is listed again returned', state([a], b), state([a, b]), { returned: 1 }],
  ['a kid with other material is replaced', state([a]), state([otherA]), { replaced: 1 }],
])('%s', async (_name, before, after, expected) => {
  expect(await paced(changesBetween(before, after))).toEqual({ ...noChanges, ...expected });
});
