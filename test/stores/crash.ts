import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openStore, type StoreOptions } from '../../src/stores/open.ts';
import type { RegistrationStore } from '../../src/stores/store.ts';
import { admitted, rsaJwk } from '../fakes/keys.ts';
import { createLog } from '../fakes/log.ts';

/** What writers said before they were killed. */
interface Said {
  /** Numbers by the last thing that was said of them. */
  readonly last: Map<number, string>;
  next: number;
}

/** Lets the program write until it has said `lines` lines, kills it at that moment, and passes on all it said. */
const writeAndDie = async (
  program: string,
  options: StoreOptions,
  from: number,
  lines: number,
  note: (word: string, number: number) => void,
): Promise<void> => {
  const child = spawn(process.execPath, [program, JSON.stringify(options), String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = new Promise<NodeJS.Signals | null>((resolve) => {
    child.once('exit', (_, signal) => resolve(signal));
  });
  let count = 0;
  for await (const line of createInterface(child.stdout)) {
    const [word = '', number = ''] = line.split(' ');
    note(word, Number(number));
    count += 1;
    if (count === lines) child.kill('SIGKILL');
  }
  expect(await exit).toBe('SIGKILL');
};

/** Whether the `jti` of a registration is used up. Writes nothing, whatever the answer. */
const isUsedUp = async (store: RegistrationStore, number: number): Promise<boolean> => {
  const { outcome } = await store.register({
    clientId: `client ${number % 5}`,
    key: admitted(rsaJwk('of nobody')),
    alg: 'RS256',
    expiresAt: Date.now() + 1,
    replay: { jti: `jti ${number}`, expiresAt: Date.now() + 1 },
    limits: { maxKeysPerClient: 0, uniqueAcrossClients: false },
  });
  expect(['replayed', 'too_many']).toContain(outcome);
  return outcome === 'replayed';
};

/** Checks a number against the store: all of it is there, or, when it was not acknowledged, all or nothing. */
const check = async (store: RegistrationStore, number: number, word: string): Promise<void> => {
  const record = await store.get(`client ${number % 5}`, admitted(rsaJwk(`key ${number}`)).thumbprint);
  expect(await isUsedUp(store, number), `jti and record of ${number}, ${word}`).toBe(record !== undefined);
  if (word !== 'registering') expect(record, `${number}, ${word}`).toBeDefined();
  if (word === 'created') expect(record?.revoked).toBeUndefined();
  if (word === 'revoked') expect(record?.revoked?.reason).toBe(number % 2 === 0 ? 'deleted' : 'compromised');
};

/** Kills a writer in the middle, again and again: what was acknowledged is there, and nothing is there by half. */
export const surviveKills = async (program: string, options: StoreOptions, rounds: number): Promise<void> => {
  const said: Said = { last: new Map(), next: 0 };
  let acknowledged = 0;
  for (let round = 0; round < rounds; round += 1) {
    const from = said.next;
    await writeAndDie(program, options, from, 1 + ((round * 7) % 61), (word, number) => {
      expect(['registering', 'created', 'revoking', 'revoked']).toContain(word);
      said.last.set(number, word);
      said.next = Math.max(said.next, number + 1);
    });
    const store = await openStore(options, systemClock, createLog().log);
    // The last round's all, and some of every earlier one.
    for (const [number, word] of said.last) {
      if (number < from && number % 50 !== round % 50) continue;
      await check(store, number, word);
      if (number >= from && word !== 'registering') acknowledged += 1;
    }
    await store.close();
  }
  expect(acknowledged).toBeGreaterThan(rounds);

  const store = await openStore(options, systemClock, createLog().log);
  for (const [number, word] of said.last) await check(store, number, word);
  const seen = new Set<string>();
  let after: string | undefined;
  do {
    const page = await store.list({ limit: 1000, after });
    for (const { clientId, jkt } of page.records) {
      expect(seen).not.toContain(`${clientId} ${jkt}`);
      seen.add(`${clientId} ${jkt}`);
    }
    after = page.next;
  } while (after !== undefined);
  expect(seen.size).toBeLessThanOrEqual(said.last.size);
  await store.close();
};

/** Has three processes register the same keys with the same proofs: of each, one is created and the others are replayed. */
export const raceProcesses = async (program: string, options: StoreOptions, lines: number): Promise<void> => {
  const outcomes = new Map<number, string[]>();
  const note = (word: string, number: number): void => {
    if (word === 'created' || word === 'replayed')
      outcomes.set(number, [...(outcomes.get(number) ?? []), word]);
    else expect(['registering', 'revoking', 'revoked']).toContain(word);
  };
  await Promise.all([0, 0, 0].map(async (from) => await writeAndDie(program, options, from, lines, note)));
  const told = [...outcomes.values()];
  for (const words of told) expect(words.filter((word) => word === 'created').length).toBeLessThanOrEqual(1);
  expect(
    told.filter((words) => words.includes('created') && words.includes('replayed')).length,
  ).toBeGreaterThan(10);
};
