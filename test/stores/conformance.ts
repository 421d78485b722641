import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clientKey } from '../../src/stores/client-key.ts';
import type {
  Changes,
  RegisteredKey,
  Registration,
  RegistrationStore,
  RegisterOutcome,
} from '../../src/stores/store.ts';
import { ManualClock, until } from '../fakes/clock.ts';
import { ecJwk, rsaJwk, admitted } from '../fakes/keys.ts';

/** Empty places for a store, one after the other. */
export interface Places {
  /** Makes a new, empty place. What opens it gets the same data each time. */
  create(): Promise<(clock: ManualClock) => Promise<RegistrationStore>>;
  close(): Promise<void>;
}

/** What a backend does besides. */
export interface Traits {
  /** Two instances that are open at one time are replicas of each other. */
  readonly shared: boolean;
}

const day = 86_400_000;
const limits = { maxKeysPerClient: 100, uniqueAcrossClients: false };

/** A key of this name, the same one all through a test file. */
export const keyOf = (name: string): Registration['key'] => admitted(ecJwk(name));

/** A registration of a client's key that ends in a day. */
export const registrationOf = (
  clock: ManualClock,
  clientId: string,
  key: Registration['key'],
  more: Partial<Registration> = {},
): Registration => ({ clientId, key, alg: 'ES256', expiresAt: clock.wall() + day, limits, ...more });

const jktsOf = (records: readonly RegisteredKey[]): string[] => records.map(({ jkt }) => jkt);
const outcomesOf = (outcomes: readonly RegisterOutcome[]): string[] =>
  outcomes.map(({ outcome }) => outcome).sort();
const times = <T>(count: number, task: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => task(index));
const copies = <T>(count: number, value: T): T[] => times(count, () => value);

const listen = (to: RegistrationStore): Changes[] => {
  const heard: Changes[] = [];
  to.onChange((changes) => void heard.push(changes));
  return heard;
};
const heardOf = (heard: readonly Changes[], client: string): boolean =>
  heard.some((changes) => changes === 'all' || changes.includes(clientKey(client)));

/** Ids that break naive keys: paths, quotes, NUL, lone surrogates, long ones, and two that UTF-8 cannot tell apart. */
export const oddIds: readonly string[] = [
  '../../etc/passwd',
  'a/b',
  '.',
  ' ',
  "'; drop table jwksd_registrations; --",
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff',
  '\ufffd',
  'é',
  'e\u0301',
  '__proto__',
  'constructor',
  '🔑'.repeat(1000),
  'x'.repeat(2000),
  `${'x'.repeat(1999)}y`,
];

/** The specification of a store: every backend runs it. */
export const conformance = (name: string, traits: Traits, openPlaces: () => Promise<Places>): void => {
  describe(`a ${name} store`, () => {
    let places: Places;
    let clock: ManualClock;
    let open: (clock: ManualClock) => Promise<RegistrationStore>;
    let store: RegistrationStore;

    beforeAll(async () => {
      places = await openPlaces();
    });
    afterAll(async () => {
      await places.close();
    });
    beforeEach(async () => {
      clock = new ManualClock();
      open = await places.create();
      store = await open(clock);
    });
    afterEach(async () => {
      await store.close();
    });

    const register = async (clientId: string, keyName: string, more: Partial<Registration> = {}) =>
      await store.register(registrationOf(clock, clientId, keyOf(keyName), more));
    /** Opens a second instance on the same data for a task. */
    const withReplica = async (task: (replica: RegistrationStore) => Promise<void>): Promise<void> => {
      const replica = await open(clock);
      try {
        await task(replica);
      } finally {
        await replica.close();
      }
    };

    const replay = (): { jti: string; expiresAt: number } => ({ jti: 'j', expiresAt: clock.wall() + 1000 });
    const walk = async (
      clientId: string | undefined,
      limit: number,
      between: () => Promise<void> = async () => {},
    ) => {
      const seen: RegisteredKey[] = [];
      let after: string | undefined;
      do {
        const page = await store.list({ clientId, after, limit });
        expect(page.records.length).toBeLessThanOrEqual(limit);
        seen.push(...page.records);
        after = page.next;
        await between();
      } while (after !== undefined);
      return seen;
    };

    describe('a registration', () => {
      test('is stored with the canonical key, its thumbprint as kid, and nothing else of the key', async () => {
        const key = admitted({ ...ecJwk('a'), key_ops: ['verify'], note: 'mine' });
        const outcome = await store.register(registrationOf(clock, 'app', key, { label: 'my key' }));
        const record: RegisteredKey = {
          clientId: 'app',
          jkt: key.thumbprint,
          jwk: {
            kty: 'EC',
            kid: key.thumbprint,
            use: 'sig',
            alg: 'ES256',
            crv: 'P-256',
            x: key.jwk.x ?? '',
            y: key.jwk.y ?? '',
          },
          label: 'my key',
          createdAt: clock.wall(),
          provedAt: clock.wall(),
          expiresAt: clock.wall() + day,
          revoked: undefined,
        };
        expect(outcome).toEqual({ outcome: 'created', record });
        expect(await store.get('app', key.thumbprint)).toEqual(record);
      });

      test('of an RSA key keeps n and e', async () => {
        const key = admitted(rsaJwk('rsa'));
        await store.register(registrationOf(clock, 'app', key, { alg: 'PS384' }));
        expect((await store.get('app', key.thumbprint))?.jwk).toEqual({
          kty: 'RSA',
          kid: key.thumbprint,
          use: 'sig',
          alg: 'PS384',
          n: key.jwk.n,
          e: 'AQAB',
        });
      });

      test('of a key that is there renews it: created stays, proved and the end move, never backwards', async () => {
        await register('app', 'a', { label: 'first' });
        const createdAt = clock.wall();
        await clock.advance(1000);
        const renewed = await register('app', 'a');
        expect(renewed).toMatchObject({
          outcome: 'exists',
          record: { label: 'first', createdAt, provedAt: createdAt + 1000, expiresAt: clock.wall() + day },
        });
        const shorter = await register('app', 'a', { label: 'second', expiresAt: clock.wall() + 1 });
        expect(shorter).toMatchObject({ record: { label: 'second', expiresAt: clock.wall() + day } });
        expect(await store.get('app', keyOf('a').thumbprint)).toEqual('record' in shorter && shorter.record);
      });

      test('of one key by two clients makes two records', async () => {
        expect(await register('one', 'a')).toMatchObject({ outcome: 'created' });
        expect(await register('two', 'a')).toMatchObject({ outcome: 'created' });
        await store.revoke('one', keyOf('a').thumbprint, 'superseded');
        expect((await store.published('two'))?.keys).toHaveLength(1);
      });

      test('survives that the store is closed and opened', async () => {
        if (!traits.shared) return;
        const outcome = await register('app', 'a', { replay: { jti: 'j', expiresAt: clock.wall() + 1000 } });
        await store.close();
        store = await open(clock);
        expect(await store.get('app', keyOf('a').thumbprint)).toEqual('record' in outcome && outcome.record);
        const again = await register('app', 'b', { replay: { jti: 'j', expiresAt: clock.wall() + 1000 } });
        expect(again).toEqual({ outcome: 'replayed' });
      });

      test('of client ids with slashes, NUL, lone surrogates and 2,000 characters are kept apart', async () => {
        for (const id of oddIds) expect(await register(id, 'a')).toMatchObject({ outcome: 'created' });
        for (const id of oddIds) {
          expect(await store.get(id, keyOf('a').thumbprint)).toMatchObject({ clientId: id });
          expect(jktsOf((await store.list({ clientId: id, limit: 10 })).records)).toHaveLength(1);
        }
        const all = await store.list({ limit: 1000 });
        expect(all.records.map(({ clientId }) => clientId).sort()).toEqual([...oddIds].sort());
      });

      test('takes any text as client id and label', async () => {
        const anyText = fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
        );
        await fc.assert(
          fc.asyncProperty(anyText, anyText, async (clientId, label) => {
            await register(clientId, 'a', { label });
            expect(await store.get(clientId, keyOf('a').thumbprint)).toMatchObject({ clientId, label });
          }),
          { numRuns: 40, seed: 8 },
        );
      });
    });

    describe('of copies of one registration', () => {
      test('with a jti exactly one is created and all others are replayed', async () => {
        const registration = registrationOf(clock, 'app', keyOf('a'), {
          replay: { jti: 'once', expiresAt: clock.wall() + 1000 },
        });
        const outcomes = await Promise.all(
          copies(50, registration).map(async (each) => await store.register(each)),
        );
        expect(outcomesOf(outcomes)).toEqual(['created', ...copies(49, 'replayed')]);
      });

      test('without a jti one is created and all others find it', async () => {
        const registration = registrationOf(clock, 'app', keyOf('a'));
        const outcomes = await Promise.all(
          copies(50, registration).map(async (each) => await store.register(each)),
        );
        expect(outcomesOf(outcomes)).toEqual(['created', ...copies(49, 'exists')]);
      });

      test('sent to two replicas exactly one is created', async () => {
        if (!traits.shared) return;
        await withReplica(async (replica) => {
          const registration = registrationOf(clock, 'app', keyOf('a'), {
            replay: { jti: 'once', expiresAt: clock.wall() + 1000 },
          });
          const outcomes = await Promise.all(
            times(50, async (index) => await (index % 2 === 0 ? store : replica).register(registration)),
          );
          expect(outcomesOf(outcomes)).toEqual(['created', ...copies(49, 'replayed')]);
        });
      });
    });

    describe('a jti', () => {
      test('is used up for its client and any key, until its end', async () => {
        await register('app', 'a', { replay: replay() });
        expect(await register('app', 'b', { replay: replay() })).toEqual({ outcome: 'replayed' });
        expect(await register('other', 'b', { replay: replay() })).toMatchObject({ outcome: 'created' });
        await clock.advance(999);
        expect(await register('app', 'b', { replay: replay() })).toEqual({ outcome: 'replayed' });
        await clock.advance(1);
        expect(await register('app', 'b', { replay: replay() })).toMatchObject({ outcome: 'created' });
      });

      test('of a registration that was refused is not used up', async () => {
        await register('app', 'a');
        const one = { maxKeysPerClient: 1, uniqueAcrossClients: false };
        expect(await register('app', 'b', { replay: replay(), limits: one })).toEqual({
          outcome: 'too_many',
        });
        expect(await register('app', 'b', { replay: replay() })).toMatchObject({ outcome: 'created' });
      });

      test('of 256 odd characters is a jti like any other', async () => {
        const jti = '\u0000\ud800🔑/'.repeat(50);
        const odd = { jti, expiresAt: clock.wall() + 1000 };
        expect(await register('app', 'a', { replay: odd })).toMatchObject({ outcome: 'created' });
        expect(await register('app', 'a', { replay: odd })).toEqual({ outcome: 'replayed' });
      });
    });

    describe('a nonce', () => {
      test('is good once, and only until its end', async () => {
        await store.addNonce('n1', clock.wall() + 1000);
        await store.addNonce('n2', clock.wall() + 1000);
        expect(await register('app', 'a', { nonce: 'made-up' })).toEqual({ outcome: 'nonce_invalid' });
        expect(await register('app', 'a', { nonce: 'n1' })).toMatchObject({ outcome: 'created' });
        expect(await register('app', 'a', { nonce: 'n1' })).toEqual({ outcome: 'nonce_invalid' });
        await clock.advance(1000);
        expect(await register('app', 'a', { nonce: 'n2' })).toEqual({ outcome: 'nonce_invalid' });
      });

      test('is good for one of many clients who come with it at once', async () => {
        await store.addNonce('n', clock.wall() + 1000);
        const outcomes = await Promise.all(
          times(20, async (index) => await register(`app ${index}`, 'a', { nonce: 'n' })),
        );
        expect(outcomesOf(outcomes)).toEqual(['created', ...copies(19, 'nonce_invalid')]);
      });

      test('of a registration that was refused is still good', async () => {
        await register('app', 'a');
        await store.revoke('app', keyOf('a').thumbprint, 'compromised');
        await store.addNonce('n', clock.wall() + 1000);
        expect(await register('app', 'a', { nonce: 'n' })).toMatchObject({ outcome: 'revoked' });
        expect(await register('app', 'b', { nonce: 'n' })).toMatchObject({ outcome: 'created' });
      });
    });

    describe('the limit of keys per client', () => {
      const three = { maxKeysPerClient: 3, uniqueAcrossClients: false };

      test('is kept when many come at once, and counts neither tombstones nor expired keys', async () => {
        const outcomes = await Promise.all(
          times(10, async (index) => await register('app', `k${index}`, { limits: three })),
        );
        expect(outcomesOf(outcomes)).toEqual([...copies(3, 'created'), ...copies(7, 'too_many')]);
        expect((await store.published('app'))?.keys).toHaveLength(3);
        expect(await register('other', 'a', { limits: three })).toMatchObject({ outcome: 'created' });

        const [first] = (await store.list({ clientId: 'app', limit: 1 })).records;
        await store.revoke('app', first?.jkt ?? '', 'deleted');
        expect(await register('app', 'later', { limits: three, expiresAt: clock.wall() + 5 })).toMatchObject({
          outcome: 'created',
        });
        expect(await register('app', 'too late', { limits: three })).toEqual({ outcome: 'too_many' });
        await clock.advance(5);
        expect(await register('app', 'in time', { limits: three })).toMatchObject({ outcome: 'created' });
      });

      test('does not stop a key that is there from being renewed', async () => {
        await register('app', 'a', { limits: { ...three, maxKeysPerClient: 1 } });
        expect(await register('app', 'a', { limits: { ...three, maxKeysPerClient: 1 } })).toMatchObject({
          outcome: 'exists',
        });
      });

      test('is kept by two replicas together', async () => {
        if (!traits.shared) return;
        await withReplica(async (replica) => {
          const outcomes = await Promise.all(
            times(
              20,
              async (index) =>
                await (index % 2 === 0 ? store : replica).register(
                  registrationOf(clock, 'app', keyOf(`k${index}`), { limits: three }),
                ),
            ),
          );
          expect(outcomesOf(outcomes)).toEqual([...copies(3, 'created'), ...copies(17, 'too_many')]);
        });
      });
    });

    describe('where keys are unique across clients', () => {
      const unique = { maxKeysPerClient: 10, uniqueAcrossClients: true };

      test('one of many clients who come with a key at once gets it', async () => {
        const outcomes = await Promise.all(
          times(20, async (index) => await register(`app ${index}`, 'a', { limits: unique })),
        );
        expect(outcomesOf(outcomes)).toEqual(['created', ...copies(19, 'in_use')]);
      });

      test('a key is free again when it was deleted or ended, and never when it was compromised', async () => {
        await register('one', 'a', { limits: unique });
        expect(await register('two', 'a', { limits: unique })).toEqual({ outcome: 'in_use' });
        expect(await register('one', 'a', { limits: unique })).toMatchObject({ outcome: 'exists' });
        await store.revoke('one', keyOf('a').thumbprint, 'deleted');
        expect(await register('two', 'a', { limits: unique, expiresAt: clock.wall() + 5 })).toMatchObject({
          outcome: 'created',
        });
        await clock.advance(5);
        expect(await register('three', 'a', { limits: unique })).toMatchObject({ outcome: 'created' });
        await store.revoke('three', keyOf('a').thumbprint, 'compromised');
        expect(await register('four', 'a', { limits: unique })).toEqual({ outcome: 'in_use' });
      });
    });

    describe('a revocation', () => {
      test('ends publication and leaves a tombstone that no registration and no time removes', async () => {
        await register('app', 'a', { label: 'l' });
        const { thumbprint } = keyOf('a');
        const revoked = await store.revoke('app', thumbprint, 'compromised');
        expect(revoked).toMatchObject({
          outcome: 'revoked',
          record: { jkt: thumbprint, revoked: { reason: 'compromised', at: clock.wall() } },
        });
        expect((await store.published('app'))?.keys).toEqual([]);
        expect(await register('app', 'a')).toMatchObject({ outcome: 'revoked' });
        clock.stepWall(3 * day);
        await store.sweep();
        expect(await register('app', 'a')).toMatchObject({
          outcome: 'revoked',
          record: { revoked: { reason: 'compromised' } },
        });
      });

      test('keeps the first reason and date', async () => {
        await register('app', 'a');
        const first = await store.revoke('app', keyOf('a').thumbprint, 'deleted');
        await clock.advance(1000);
        expect(await store.revoke('app', keyOf('a').thumbprint, 'compromised')).toEqual({
          outcome: 'already',
          record: first?.record,
        });
      });

      test('of a key that the client does not have finds nothing', async () => {
        await register('app', 'a');
        expect(await store.revoke('other', keyOf('a').thumbprint, 'deleted')).toBeUndefined();
        expect(await store.revoke('app', keyOf('b').thumbprint, 'deleted')).toBeUndefined();
        for (const jkt of [
          '',
          '..',
          'x'.repeat(43),
          `${keyOf('a').thumbprint}=`,
          keyOf('a').thumbprint.slice(0, -1),
        ]) {
          expect(await store.revoke('app', jkt, 'deleted')).toBeUndefined();
          expect(await store.get('app', jkt)).toBeUndefined();
        }
        expect((await store.published('app'))?.keys).toHaveLength(1);
      });

      test('among registrations of the same key is never undone', async () => {
        await register('app', 'a');
        for (let round = 0; round < 5; round += 1) {
          await Promise.all([
            ...times(5, async () => await register('app', 'a')),
            store.revoke('app', keyOf('a').thumbprint, 'compromised'),
            ...times(5, async () => await register('app', 'a')),
          ]);
          expect(await store.get('app', keyOf('a').thumbprint)).toMatchObject({
            revoked: { reason: 'compromised' },
          });
        }
      });
    });

    describe('what is published', () => {
      test('is undefined for a client that never was, and empty for one whose keys ended', async () => {
        expect(await store.published('app')).toBeUndefined();
        await register('app', 'a', { expiresAt: clock.wall() + 1 });
        await clock.advance(1);
        expect(await store.published('app')).toMatchObject({ keys: [], validUntil: undefined });
      });

      test('has every current key once, says until when it is right, and is gone at the end of a key', async () => {
        await register('app', 'a', { expiresAt: clock.wall() + 10 });
        await register('app', 'b', { expiresAt: clock.wall() + 20 });
        await register('app', 'c');
        await store.revoke('app', keyOf('c').thumbprint, 'superseded');
        await register('other', 'd');
        const before = await store.published('app');
        expect(jktsOf(before?.keys ?? []).sort()).toEqual(
          [keyOf('a'), keyOf('b')].map((key) => key.thumbprint).sort(),
        );
        expect(before?.validUntil).toBe(clock.wall() + 10);
        await clock.advance(10);
        expect(jktsOf((await store.published('app'))?.keys ?? [])).toEqual([keyOf('b').thumbprint]);
      });

      test('has a revision that changes with the keys and with nothing else', async () => {
        const revision = async (): Promise<string | undefined> => (await store.published('app'))?.revision;
        await register('app', 'a');
        const one = await revision();
        await clock.advance(1);
        await register('app', 'a');
        expect(await revision()).toBe(one);
        await register('app', 'b');
        const two = await revision();
        expect(two).not.toBe(one);
        await store.revoke('app', keyOf('b').thumbprint, 'deleted');
        expect(await revision()).toBe(one);
        await register('app', 'a', { alg: 'ES384' });
        expect(await revision()).not.toBe(one);
      });
    });

    describe('a list', () => {
      test('walks over every record of a client, tombstones included, whatever the page size', async () => {
        await Promise.all(times(7, async (index) => await register('app', `k${index}`)));
        await register('other', 'k0');
        await store.revoke('app', keyOf('k3').thumbprint, 'deleted');
        for (const limit of [1, 2, 3, 7, 100]) {
          const seen = await walk('app', limit);
          expect(jktsOf(seen).sort()).toEqual(times(7, (index) => keyOf(`k${index}`).thumbprint).sort());
        }
        expect(await walk(undefined, 3)).toHaveLength(8);
        expect(await store.list({ clientId: 'nobody', limit: 10 })).toEqual({ records: [] });
      });

      test('shows what was there all the time exactly once, whatever is written meanwhile', async () => {
        const lasting = times(12, (index) => `lasting ${index}`);
        await Promise.all(lasting.map(async (key, index) => await register(`app ${index % 3}`, key)));
        let written = 0;
        const seen = await walk(undefined, 2, async () => {
          written += 1;
          await register(`app ${written % 5}`, `k${written % 20}`);
          await register('app 0', lasting[written % lasting.length] ?? '');
          await store.revoke(
            `app ${(written + 2) % 5}`,
            keyOf(`k${(written - 2) % 20}`).thumbprint,
            'deleted',
          );
        });
        const identities = seen.map(({ clientId, jkt }) => `${clientId} ${jkt}`);
        expect(new Set(identities).size).toBe(identities.length);
        for (const [index, key] of lasting.entries())
          expect(identities).toContain(`app ${index % 3} ${keyOf(key).thumbprint}`);
      });

      test('refuses a cursor that it did not give', async () => {
        await Promise.all(times(3, async (index) => await register('app', `k${index}`)));
        const { next } = await store.list({ clientId: 'app', limit: 1 });
        for (const after of [
          '',
          'x',
          '..',
          `${next}=`,
          `${next}AAAA`,
          Buffer.alloc(63).toString('base64url'),
        ])
          await expect(store.list({ limit: 1, after })).rejects.toMatchObject({ code: 'bad_request' });
        await expect(store.list({ clientId: 'other', limit: 1, after: next })).rejects.toMatchObject({
          code: 'bad_request',
        });
      });
    });

    describe('a sweep', () => {
      test('removes what ended and keeps all else', async () => {
        await register('app', 'short', { expiresAt: clock.wall() + 10 });
        await register('app', 'revoked', { expiresAt: clock.wall() + 10 });
        await store.revoke('app', keyOf('revoked').thumbprint, 'superseded');
        await register('app', 'long', { replay: { jti: 'j', expiresAt: clock.wall() + 10 } });
        // Renewed: its first end no longer counts.
        await register('app', 'renewed', { expiresAt: clock.wall() + 10 });
        await register('app', 'renewed', { replay: { jti: 'k', expiresAt: clock.wall() + 30 } });
        await store.addNonce('n', clock.wall() + 10);
        await store.addNonce('m', clock.wall() + 30);
        expect(await store.sweep()).toEqual({ records: 0, replays: 0, nonces: 0 });
        await clock.advance(10);
        expect(await store.sweep()).toEqual({ records: 1, replays: 1, nonces: 1 });
        expect(await store.sweep()).toEqual({ records: 0, replays: 0, nonces: 0 });
        expect(await store.get('app', keyOf('short').thumbprint)).toBeUndefined();
        expect(jktsOf((await store.list({ clientId: 'app', limit: 10 })).records).sort()).toEqual(
          ['revoked', 'long', 'renewed'].map((each) => keyOf(each).thumbprint).sort(),
        );
        expect(await register('app', 'long', { replay: { jti: 'k', expiresAt: clock.wall() + 30 } })).toEqual(
          {
            outcome: 'replayed',
          },
        );
        expect(await register('app', 'long', { nonce: 'm' })).toMatchObject({ outcome: 'exists' });
      });

      test('leaves an expired key that was registered anew alone', async () => {
        await register('app', 'a', { expiresAt: clock.wall() + 10 });
        await clock.advance(10);
        expect(await register('app', 'a')).toMatchObject({
          outcome: 'created',
          record: { createdAt: clock.wall() },
        });
        expect(await store.sweep()).toMatchObject({ records: 0 });
        expect((await store.published('app'))?.keys).toHaveLength(1);
      });
    });

    describe('changes', () => {
      test('are told after a registration, a renewal and a revocation, and not after a refusal', async () => {
        const heard = listen(store);
        const count = async (task: () => Promise<unknown>): Promise<boolean> => {
          heard.length = 0;
          await task();
          return heardOf(heard, 'app');
        };
        expect(await count(async () => await register('app', 'a'))).toBe(true);
        expect(await count(async () => await register('app', 'a'))).toBe(true);
        expect(await count(async () => await store.revoke('app', keyOf('a').thumbprint, 'deleted'))).toBe(
          true,
        );
      });

      test('end when the listener is removed', async () => {
        const heard: Changes[] = [];
        store.onChange((changes) => void heard.push(changes))();
        await register('app', 'a');
        expect(heard).toEqual([]);
      });

      test('of one replica are seen by the other at its next read, and told to it', async () => {
        if (!traits.shared) return;
        await withReplica(async (replica) => {
          expect(await replica.published('app')).toBeUndefined();
          const heard = listen(replica);
          await register('app', 'a');
          expect((await replica.published('app'))?.keys).toHaveLength(1);
          await store.revoke('app', keyOf('a').thumbprint, 'compromised');
          expect((await replica.published('app'))?.keys).toEqual([]);
          await clock.advance(1000);
          await until(() => heardOf(heard, 'app'));
        });
      });
    });

    test('is healthy, and after close refuses everything with store_unavailable', async () => {
      expect(store.health).toEqual({ ok: true });
      await store.close();
      await store.close();
      const refusal = { code: 'store_unavailable' };
      await expect(register('app', 'a')).rejects.toMatchObject(refusal);
      await expect(store.published('app')).rejects.toMatchObject(refusal);
      await expect(store.get('app', keyOf('a').thumbprint)).rejects.toMatchObject(refusal);
      await expect(store.list({ limit: 1 })).rejects.toMatchObject(refusal);
      await expect(store.revoke('app', keyOf('a').thumbprint, 'deleted')).rejects.toMatchObject(refusal);
      await expect(store.addNonce('n', clock.wall() + 1)).rejects.toMatchObject(refusal);
      await expect(store.sweep()).rejects.toMatchObject(refusal);
      expect(clock.pending).toBe(0);
    });
  });
};
