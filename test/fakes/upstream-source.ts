import { fixedLocator, type Locator } from '../../src/sources/discovery.ts';
import { KeyCache } from '../../src/sources/key-cache.ts';
import { createLimiter, type Limiter } from '../../src/sources/limiter.ts';
import type { Log, SourceSnapshot } from '../../src/sources/source.ts';
import type { Answer, Ask, Requester } from '../../src/sources/upstream/attempt.ts';
import { Exchange } from '../../src/sources/upstream/exchange.ts';
import {
  failure,
  failureOfStatus,
  type Failure,
  type FailureCode,
} from '../../src/sources/upstream/failure.ts';
import type { Headers } from '../../src/sources/upstream/freshness.ts';
import type { LastKnownGood } from '../../src/sources/upstream/last-known-good.ts';
import { Memory } from '../../src/sources/upstream/memory.ts';
import type { UpstreamOptions, UpstreamParts } from '../../src/sources/upstream/options.ts';
import { UpstreamSource } from '../../src/sources/upstream/upstream.ts';
import { ManualClock, settle } from './clock.ts';
import { createLog, type Line } from './log.ts';

/** A request as the wire would have seen it. */
export interface Sent {
  readonly url: string;
  readonly ask: Ask;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/** What comes back for a request. */
export type Reply = (sent: Sent, signal: AbortSignal) => Answer | Failure | Promise<Answer | Failure>;

/** A 200 with this body; an object is written as JSON. */
export const answer =
  (body: object | string, headers: Headers = {}): Reply =>
  () => ({
    ok: true,
    status: 200,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  });

/** A 304 to a request with validators, else what `reply` says. */
export const notModifiedOr =
  (reply: Reply, headers: Headers = {}): Reply =>
  (sent, signal) =>
    sent.ask.etag === undefined && sent.ask.lastModified === undefined
      ? reply(sent, signal)
      : { ok: true, status: 304, headers, body: Buffer.alloc(0) };

/** A failed attempt. */
export const failing =
  (code: FailureCode): Reply =>
  () =>
    failure(code, `scripted ${code}`);

/** An attempt that got this status. */
export const statusOf =
  (status: number, retryAfter?: number): Reply =>
  () =>
    failureOfStatus(status, retryAfter);

/** A reply that waits until the test lets it go. */
export const held = (): { readonly reply: Reply; release(reply: Reply): void } => {
  const waiting: ((reply: Reply) => void)[] = [];
  const released = new Promise<Reply>((resolve) => void waiting.push(resolve));
  return {
    reply: async (sent, signal) => await (await released)(sent, signal),
    release: (reply) => waiting[0]?.(reply),
  };
};

/** The network, played by a list of replies: the last one stays. */
export class Network implements Pick<Requester, 'send'> {
  readonly sent: Sent[] = [];
  replies: Reply[];
  readonly #clock: ManualClock;

  constructor(clock: ManualClock, replies: readonly Reply[]) {
    this.#clock = clock;
    this.replies = [...replies];
  }

  /** Answers like this from now on. */
  answerWith(...replies: readonly Reply[]): void {
    this.replies = [...replies];
  }

  async send(url: URL, ask: Ask, signal: AbortSignal): Promise<Answer | Failure> {
    const sent = { url: url.href, ask, at: this.#clock.now() };
    this.sent.push(sent);
    const reply = this.replies.length > 1 ? this.replies.shift() : this.replies[0];
    if (reply === undefined) return failure('connect', 'the test has no reply for this');
    return await reply(sent, signal);
  }
}

/** The defaults of the configuration, without jitter. */
export const upstreamOptions: UpstreamOptions = {
  name: 'idp',
  type: 'jwks',
  required: true,
  origin: 'https://idp.example.org/jwks',
  refreshInterval: 300_000,
  refreshMin: 60_000,
  refreshMax: 300_000,
  jitter: 0,
  maxStale: 86_400_000,
  staleIfError: 'always',
  removalConfirm: 30_000,
  maxKeys: 1000,
  firstDelay: 0,
};

/** A whole upstream source whose network and time belong to the test. */
export interface Rig {
  readonly source: UpstreamSource;
  readonly clock: ManualClock;
  readonly network: Network;
  readonly lines: Line[];
  /** Every value `current` had, in order, the one before the start included. */
  readonly history: SourceSnapshot[];
  readonly states: () => string[];
}

export interface RigOptions extends Partial<UpstreamOptions> {
  readonly file?: LastKnownGood;
  readonly locator?: (clock: ManualClock, log: Log) => Locator;
  readonly limiter?: Limiter;
  readonly clock?: ManualClock;
  readonly cache?: KeyCache;
  readonly inherit?: UpstreamParts['inherit'];
}

export const rig = (replies: readonly Reply[], options: RigOptions = {}): Rig => {
  const { file, locator, inherit, clock = new ManualClock(), cache = new KeyCache(), ...rest } = options;
  const { limiter = createLimiter(8, clock), ...own } = rest;
  const network = new Network(clock, replies);
  const { log, lines } = createLog();
  const settings = { ...upstreamOptions, ...own };
  const exchange = new Exchange({
    observe: () => undefined,
    clock,
    requester: network,
    locator: locator?.(clock, log) ?? fixedLocator(new URL('https://idp.example.org/jwks')),
    limiter,
    maxBody: 1024 * 1024,
    maxKeys: settings.maxKeys,
  });
  const memory = new Memory(file, { clock, log, source: settings.name, maxKeys: settings.maxKeys });
  const source = new UpstreamSource(settings, {
    clock,
    log,
    slot: cache.open(settings.name),
    exchange,
    memory,
    // Full backoff and the middle of every pause: delays a test can name.
    random: () => 0.5,
    inherit,
  });
  const history: SourceSnapshot[] = [source.current];
  return { source, clock, network, lines, history, states: () => history.map(({ state }) => state) };
};

/** Starts the source and lets its first attempt, due at once, run to its end. */
export const started = async (replies: readonly Reply[], options: RigOptions = {}): Promise<Rig> => {
  const made = rig(replies, options);
  await made.source.start(() => void made.history.push(made.source.current));
  await made.clock.advance(made.source.status().nextAttemptIn ?? 0);
  await settle();
  return made;
};
