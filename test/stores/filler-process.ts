import { JwksdError } from '../../src/errors.ts';
import { LmdbStore } from '../../src/stores/lmdb/lmdb.ts';
import { ManualClock } from '../fakes/clock.ts';
import { admitted, rsaJwk } from '../fakes/keys.ts';

// Fills an lmdb store until the file cannot grow, and says as JSON how it behaves. Argument: its directory.

const clock = new ManualClock();
const store = await LmdbStore.open(process.argv[2] ?? '', clock, {
  info: () => undefined,
  warn: () => undefined,
});

const register = async (number: number): Promise<string> => {
  try {
    const { outcome } = await store.register({
      clientId: `client ${number}`,
      key: admitted(rsaJwk(`key ${number}`)),
      alg: 'RS256',
      expiresAt: clock.wall() + 1000,
      replay: { jti: 'j', expiresAt: clock.wall() + 1000 },
      limits: { maxKeysPerClient: 10, uniqueAcrossClients: false },
    });
    return outcome;
  } catch (error) {
    return error instanceof JwksdError ? error.code : String(error);
  }
};

const batch = 20;
const acknowledged: number[] = [];
const refused: number[] = [];
let refusal = '';
for (let number = 0; number < 100_000 && refusal === ''; number += batch) {
  const numbers = Array.from({ length: batch }, (_, index) => number + index);
  const outcomes = await Promise.all(numbers.map(register));
  for (const [index, outcome] of outcomes.entries()) {
    (outcome === 'created' ? acknowledged : refused).push(number + index);
    if (outcome !== 'created') refusal = outcome;
  }
}
const healthyWhenFull = store.health.ok;
const outcomes = await Promise.all(refused.map(register));
const stillRefused = outcomes.find((outcome) => outcome !== 'created') ?? 'created';
const isThere = async (number: number): Promise<boolean> =>
  (await store.published(`client ${number}`)) !== undefined;
let lost = 0;
for (const number of acknowledged) if (!(await isThere(number))) lost += 1;
let unexpected = 0;
for (const [index, number] of refused.entries())
  if (outcomes[index] !== 'created' && (await isThere(number))) unexpected += 1;

clock.stepWall(1001);
await store.sweep();
const afterRoomWasMade = await register(200_000);
const healthyAgain = store.health.ok;
await store.close();
process.stdout.write(
  JSON.stringify({
    refusal,
    healthyWhenFull,
    stillRefused,
    lost,
    unexpected,
    afterRoomWasMade,
    healthyAgain,
  }),
);
