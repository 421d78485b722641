import type { Clock } from '../../clock.ts';
import type { ParsedSet } from '../../jwk/key.ts';
import type { Locator } from '../discovery.ts';
import type { Generation } from '../key-cache.ts';
import type { Limiter, Standing } from '../limiter.ts';
import { readCandidate, type Refusal } from './accept.ts';
import type { Answer, Ask, Requester } from './attempt.ts';
import { failure, type Failure } from './failure.ts';

/** An attempt that brought or confirmed keys. */
export interface Success {
  readonly ok: true;
  readonly url: URL;
  readonly answer: Answer;
  /** Absent for a 304: the keys we hold are confirmed as they are. */
  readonly parsed: ParsedSet | undefined;
}

/** What an attempt depends on at the moment it is made. */
export interface Situation {
  /** The generation whose validators may be sent. */
  readonly held: Generation | undefined;
  /** Ask for the whole body, past every cache on the way. */
  readonly unconditional: boolean;
  /** Cycles in a row that failed. */
  readonly failed: number;
  /** A client waits for the result. */
  readonly demand: boolean;
  readonly standing: Standing;
  /** Counts a request beside the attempt itself that failed, by its code. */
  readonly count: (code: string) => void;
  /** Told when a request leaves, after any wait for its place. */
  readonly sent: () => void;
  readonly signal: AbortSignal;
}

/** What every exchange with one upstream has in common. */
export interface ExchangeParts {
  readonly clock: Clock;
  readonly requester: Pick<Requester, 'send'>;
  readonly locator: Locator;
  /** Shared by all upstreams of the process. Each request takes a place of its own, so none is held between two. */
  readonly limiter: Limiter;
  /** Bytes of a JWK Set, on the wire and decoded. */
  readonly maxBody: number;
  readonly maxKeys: number;
  /** Told how many milliseconds each fetch took, redirects and body included. */
  readonly observe: (ms: number) => void;
}

const accept = 'application/jwk-set+json, application/json;q=0.9, */*;q=0.1';
/** Validators can lie; once an hour the body itself is asked for. */
const unconditionalEvery = 3_600_000;

/** Asks one upstream for its keys, wherever they are, and judges what comes back. */
export class Exchange {
  readonly #parts: ExchangeParts;
  #unconditionalAt = -Infinity;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
  }

  /** Says where keys from before this process came from. */
  remember(url: string): void {
    this.#parts.locator.remember(url);
  }

  /** One attempt at every candidate URL: the first with usable keys wins, else the failure of the known one counts. */
  async attempt(situation: Situation): Promise<Success | Refusal> {
    const { locator } = this.#parts;
    const { held, failed, count, demand, signal } = situation;
    const located = await locator.locate({
      failed,
      hasKeys: held !== undefined,
      demand,
      count,
      signal,
      send: async (url, ask) => await this.#send(url, ask, situation),
    });
    if (!located.ok) return located;
    let last: Refusal | undefined;
    for (const url of turn(located.urls, failed)) {
      if (last !== undefined) count(last.code);
      const result = await this.#ask(url, situation);
      if (result.ok) {
        locator.confirm(url);
        return result;
      }
      if (signal.aborted) return result;
      // What a new URL asks for, such as to be left alone, does not hold for the known one.
      last = locator.missed(url, result) ? withoutWish(result) : result;
    }
    return last ?? failure('discovery_no_jwks_uri', 'no URL to ask');
  }

  async #ask(url: URL, situation: Situation): Promise<Success | Refusal> {
    const { clock, maxBody, maxKeys, observe } = this.#parts;
    const { held, unconditional } = situation;
    const due = unconditional || clock.now() - this.#unconditionalAt >= unconditionalEvery;
    const validators =
      due || held?.url !== url.href ? {} : { etag: held.etag, lastModified: held.lastModified };
    const ask = { accept, maxBody, noCache: unconditional, ...validators };
    const answer = await this.#send(url, ask, situation, observe);
    if (!answer.ok) return answer;
    if (answer.status === 304) return { ok: true, url, answer, parsed: undefined };
    const candidate = await readCandidate(answer, maxKeys);
    if (!candidate.ok) return candidate;
    this.#unconditionalAt = clock.now();
    return { ok: true, url, answer, parsed: candidate.parsed };
  }

  async #send(
    url: URL,
    ask: Ask,
    situation: Situation,
    observe?: (ms: number) => void,
  ): Promise<Answer | Failure> {
    const { clock, requester, limiter } = this.#parts;
    const answer = await limiter(async (ending) => {
      const began = clock.now();
      situation.sent();
      const result = await requester.send(url, ask, ending);
      const took = clock.now() - began;
      observe?.(took);
      if (result.ok || !ending.aborted || situation.signal.aborted) return result;
      return failure('timeout', `no complete answer in ${Math.round(took)} ms, and other upstreams wait`);
    }, situation);
    return answer ?? failure('reset', 'the source was closed before its turn came');
  }
}

const withoutWish = ({ retryAfter: _wish, ...refusal }: Refusal): Refusal => refusal;

/** While a source backs off it is asked once per cycle: several candidates take turns. */
const turn = (urls: readonly URL[], failed: number): readonly URL[] => {
  if (failed === 0 || urls.length === 0) return urls;
  const start = failed % urls.length;
  return urls.slice(start, start + 1);
};
