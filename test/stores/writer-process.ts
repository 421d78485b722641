import { writeSync } from 'node:fs';
import { systemClock } from '../../src/clock.ts';
import { openStore, type StoreOptions } from '../../src/stores/open.ts';
import { admitted, rsaJwk } from '../fakes/keys.ts';

// Writes to a store until it is killed, and says on stdout what it begins and what was acknowledged.
// Arguments: the options of the store as JSON, the first number.

const [, , options = '', first = '0'] = process.argv;
const lanes = 8;
const day = 86_400_000;

const say = (line: string): void => void writeSync(1, `${line}\n`);
const silent = { info: () => undefined, warn: () => undefined };

const store = await openStore(JSON.parse(options) as StoreOptions, systemClock, silent);
let next = Number(first);

const lane = async (): Promise<void> => {
  for (;;) {
    const number = next;
    next += 1;
    const key = admitted(rsaJwk(`key ${number}`));
    const expiresAt = Date.now() + day;
    const clientId = `client ${number % 5}`;
    say(`registering ${number}`);
    const { outcome } = await store.register({
      clientId,
      key,
      alg: 'RS256',
      expiresAt,
      replay: { jti: `jti ${number}`, expiresAt },
      limits: { maxKeysPerClient: 1_000_000, uniqueAcrossClients: false },
    });
    say(`${outcome} ${number}`);
    if (outcome !== 'created' || number % 3 !== 0) continue;
    say(`revoking ${number}`);
    await store.revoke(clientId, key.thumbprint, number % 2 === 0 ? 'deleted' : 'compromised');
    say(`revoked ${number}`);
  }
};

await Promise.all(Array.from({ length: lanes }, lane));
