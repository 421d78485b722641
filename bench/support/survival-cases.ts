import { bomb, drip, hang, ok, redirect, reset, status, type Handler } from '../../test/fakes/upstream.ts';
import { FakeUpstream } from '../../test/fakes/upstream.ts';
import { makeSigner, madeUpTokens, postQuantumJwk, type Signer } from './survival-keys.ts';
import type { Verifier } from './survival-client.ts';
import type { Tally } from './verify-all.ts';

/** What one verifier showed in one case. */
export interface Outcome extends Tally {
  /** Requests the upstream got for it. */
  readonly fetches: number;
  /** MB. */
  readonly growth: number;
  /** What the numbers do not say. */
  readonly note?: string;
}

/** The scene of a case: a verifier, its upstream, and the provider's key. */
export interface Scene {
  readonly upstream: FakeUpstream;
  readonly signer: Signer;
  /** Starts the verifier; jwksd asks its upstream as often as this says. */
  readonly start: (refresh?: string) => Promise<Verifier>;
}

/** One way in which a provider or its network misbehaves. */
export interface Case {
  readonly name: string;
  /** The time an answer takes is what is measured: a hundred verifications begin at once. */
  readonly slow?: boolean;
  run(scene: Scene): Promise<Outcome>;
}

const requests = 1000;
/** How long the slow cases wait for an answer. */
const patience = 33_000;

const setOf = (...keys: readonly object[]): { keys: readonly object[] } => ({ keys });

/** Verifies the good key while memory and requests are counted. */
const measured = async (
  verifier: Verifier,
  upstream: FakeUpstream,
  work: () => Promise<Tally>,
): Promise<Outcome> => {
  verifier.mark();
  const tally = await work();
  return { ...tally, fetches: upstream.requests.length, growth: verifier.growth() };
};

/** Starts well, and has a good key when the trouble begins. */
const warm = async ({ upstream, signer, start }: Scene, refresh?: string): Promise<Verifier> => {
  upstream.handler = ok(setOf(signer.jwk));
  const verifier = await start(refresh);
  const first = await verifier.verify([await signer.token()], 3);
  if (first.good !== first.total) throw new Error(`the start failed: ${first.error}`);
  upstream.requests.length = 0;
  return verifier;
};

interface Trouble {
  readonly times?: number;
  readonly parallel?: number;
  readonly limit?: number;
}

/** Trouble that begins after a good fetch; then every cache lapses, and the good key is asked for. */
const afterwards = (name: string, handler: (scene: Scene) => Handler, trouble: Trouble = {}): Case => ({
  name,
  slow: trouble.limit !== undefined,
  run: async (scene) => {
    const verifier = await warm(scene);
    scene.upstream.handler = handler(scene);
    // The highest memory is looked for from the moment the trouble can be fetched.
    verifier.mark();
    await verifier.lapse();
    const token = await scene.signer.token();
    const tally = await verifier.verify([token], trouble.times ?? requests, trouble);
    return { ...tally, fetches: scene.upstream.requests.length, growth: verifier.growth() };
  },
});

/** A set that is odd from the start. */
const fromTheStart = (name: string, body: (good: object) => object | string): Case => ({
  name,
  run: async ({ upstream, signer, start }) => {
    upstream.handler = ok(body(signer.jwk));
    const verifier = await start();
    return await measured(
      verifier,
      upstream,
      async () => await verifier.verify([await signer.token()], requests),
    );
  },
});

const restart: Case = {
  name: 'restarted during the outage',
  run: async (scene) => {
    const verifier = await warm(scene);
    scene.upstream.handler = status(503);
    await verifier.restart();
    return await measured(
      verifier,
      scene.upstream,
      async () => await verifier.verify([await scene.signer.token()], requests),
    );
  },
};

const flap: Case = {
  name: 'a key is left out of one answer',
  run: async (scene) => {
    const other = await makeSigner('other');
    const verifier = await warm(scene);
    scene.upstream.handler = ok(setOf(other.jwk));
    await verifier.lapse();
    return await measured(
      verifier,
      scene.upstream,
      async () => await verifier.verify([await scene.signer.token()], requests),
    );
  },
};

const rotation = (name: string, later: boolean): Case => ({
  name,
  run: async (scene) => {
    const verifier = await warm(scene, '5m');
    const next = await makeSigner('next');
    if (later) await verifier.lapse();
    scene.upstream.handler = ok(setOf(next.jwk, scene.signer.jwk));
    return await measured(
      verifier,
      scene.upstream,
      async () => await verifier.verify([await next.token()], requests),
    );
  },
});

const madeUp: Case = {
  name: '10,000 made-up kids, then the good key',
  run: async (scene) => {
    const verifier = await warm(scene, '5m');
    const tokens = await madeUpTokens(scene.signer, 10_000);
    const good = await scene.signer.token();
    return await measured(verifier, scene.upstream, async () => {
      const flood = await verifier.verify(tokens, 1, { parallel: 20 });
      if (flood.good > 0) throw new Error('a made-up kid was verified');
      return await verifier.verify([good], requests);
    });
  },
};

const foreign: Case = {
  name: 'redirect to another host with a key of its own',
  run: async (scene) => {
    const verifier = await warm(scene);
    const intruder = await makeSigner('intruder');
    // Another name is another origin, though loopback has only one machine.
    await using other = await FakeUpstream.start({
      handler: ok(setOf(intruder.jwk, scene.signer.jwk)),
      host: 'localhost',
    });
    scene.upstream.handler = redirect(`http://localhost:${other.port}/jwks.json`);
    await verifier.lapse();
    const outcome = await measured(
      verifier,
      scene.upstream,
      async () => await verifier.verify([await scene.signer.token()], requests),
    );
    const { good } = await verifier.verify([await intruder.token()], 1);
    return good > 0 ? { ...outcome, note: "the other host's key is trusted" } : outcome;
  },
};

const slow: Trouble = { times: 100, parallel: 100, limit: patience };

/** All cases, in the order they are printed; those that wait come first. */
export const cases: readonly Case[] = [
  afterwards('hangs', () => hang(), slow),
  afterwards('1 byte per second', ({ signer }) => drip(setOf(signer.jwk)), slow),
  afterwards('nothing is wrong', ({ signer }) => ok(setOf(signer.jwk))),
  afterwards('ends every connection', () => reset()),
  afterwards('answers 500', () => status(500)),
  afterwards('empty set', () => ok(setOf())),
  afterwards('HTML with status 200', () =>
    ok('<!doctype html><title>Sign in</title>', { 'content-type': 'text/html' }),
  ),
  afterwards('truncated JSON', ({ signer }) => ok(JSON.stringify(setOf(signer.jwk)).slice(0, -20))),
  fromTheStart('a malformed RSA key beside the good one', (good) =>
    setOf({ kty: 'RSA', kid: 'malformed', use: 'sig', alg: 'RS256', e: 'AQAB' }, good),
  ),
  fromTheStart('a point off its curve beside the good one', (good) =>
    setOf({ ...good, kid: 'off-curve', y: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }, good),
  ),
  fromTheStart('an ML-DSA key (AKP) in the set', (good) => setOf(postQuantumJwk, good)),
  fromTheStart('a symmetric key in the set', (good) =>
    setOf({ kty: 'oct', kid: 'secret', alg: 'HS256', use: 'sig', k: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }, good),
  ),
  fromTheStart('an unknown kty in the set', (good) => setOf({ kty: 'LWE', kid: 'x', use: 'sig' }, good)),
  fromTheStart('null among the keys', (good) => ({ keys: [null, good] })),
  fromTheStart('a byte order mark', (good) => `\uFEFF${JSON.stringify(setOf(good))}`),
  flap,
  rotation('new kid right after a fetch', false),
  rotation('new kid when caches have lapsed', true),
  madeUp,
  afterwards('gzip bomb, 100 KB to 100 MB', ({ signer }) => bomb('gzip', 100_000_000, setOf(signer.jwk)), {
    times: 5,
  }),
  foreign,
  restart,
];
