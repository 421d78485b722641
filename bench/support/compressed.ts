import { createHash } from 'node:crypto';
import { ManualClock, settle } from '../../test/fakes/clock.ts';
import { ecJwk, type Jwk } from '../../test/fakes/keys.ts';
import { createLog } from '../../test/fakes/log.ts';
import { answer, Network, upstreamOptions, type Reply } from '../../test/fakes/upstream-source.ts';
import { DenyList } from '../../src/keyring/deny-list.ts';
import { Keyring } from '../../src/keyring/keyring.ts';
import { fixedLocator } from '../../src/sources/discovery.ts';
import { KeyCache } from '../../src/sources/key-cache.ts';
import { createLimiter } from '../../src/sources/limiter.ts';
import { Exchange } from '../../src/sources/upstream/exchange.ts';
import { LastKnownGood } from '../../src/sources/upstream/last-known-good.ts';
import { Memory } from '../../src/sources/upstream/memory.ts';
import { UpstreamSource } from '../../src/sources/upstream/upstream.ts';

/** A keyring with one upstream whose time and network are injected; schedule, jitter and limits are the defaults. */
export interface Compressed {
  readonly keyring: Keyring;
  readonly source: UpstreamSource;
  readonly clock: ManualClock;
  readonly network: Network;
  /** Whether the key of this `kid` is published with its own material, as a PEM request would find it. */
  has(kid: string): boolean;
  /** A request for the PEM of `kid`, demand refresh included. */
  ask(kid: string): Promise<boolean>;
}

const url = 'https://idp.example.org/jwks';
const digestOf = (kid: string): string => createHash('sha256').update(kid).digest('hex');

/** An answer with the keys of these `kid`s and no freshness. */
export const listing = (...kids: readonly string[]): Reply =>
  answer({ keys: kids.map((kid): Jwk => ecJwk(kid)) });

/** Starts a keyring and lets its first attempt run. `state` is a state directory. */
export const startCompressed = async (
  replies: readonly Reply[],
  options: { readonly clock?: ManualClock; readonly state?: string } = {},
): Promise<Compressed> => {
  const { clock = new ManualClock(), state } = options;
  const network = new Network(clock, replies);
  const { log } = createLog();
  const cache = new KeyCache();
  const settings = { ...upstreamOptions, jitter: 0.1 };
  const exchange = new Exchange({
    observe: () => undefined,
    clock,
    requester: network,
    locator: fixedLocator(new URL(url)),
    limiter: createLimiter(8, clock),
    maxBody: 1024 * 1024,
    maxKeys: settings.maxKeys,
  });
  const file = state === undefined ? undefined : new LastKnownGood(state, settings.name, url);
  const memory = new Memory(file, { clock, log, source: settings.name, maxKeys: settings.maxKeys });
  const source = new UpstreamSource(settings, {
    clock,
    log,
    slot: cache.open(settings.name),
    exchange,
    memory,
    random: Math.random,
  });
  const keyring = new Keyring({ clock, log, cache, denyList: DenyList.inMemory() });
  await keyring.replace({
    sources: [source],
    sets: [
      {
        name: 'default',
        sources: ['idp'],
        profile: 'generic',
        maxAge: 300_000,
        paths: ['/.well-known/jwks.json'],
        pemPaths: ['/certs'],
      },
    ],
  });
  const has = (kid: string): boolean => {
    const keys = keyring.current.sets.get('default')?.byDigest.get(digestOf(kid)) ?? [];
    const jwk = keys[0]?.key.jwk as Jwk | undefined;
    return keys.length === 1 && jwk?.['x'] === ecJwk(kid)['x'];
  };
  await clock.advance(0);
  await settle();
  return {
    keyring,
    source,
    clock,
    network,
    has,
    ask: async (kid) => {
      if (has(kid)) return true;
      const set = keyring.current.sets.get('default');
      return (
        set !== undefined && (await keyring.demand(set, { by: 'digest', value: digestOf(kid) })).length > 0
      );
    },
  };
};
