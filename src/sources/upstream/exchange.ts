import type { Clock } from '../../clock.ts';
import type { ParsedSet } from '../../jwk/key.ts';
import type { Locator } from '../discovery.ts';
import type { Generation } from '../key-cache.ts';
import { readCandidate, type Refusal } from './accept.ts';
import type { Answer, Requester } from './attempt.ts';
import { failure } from './failure.ts';

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
  readonly signal: AbortSignal;
}

/** What every exchange with one upstream has in common. */
export interface ExchangeParts {
  readonly clock: Clock;
  readonly requester: Pick<Requester, 'send'>;
  readonly locator: Locator;
  /** Shared by all upstreams of the process. */
  readonly limiter: <T>(task: () => Promise<T>) => Promise<T>;
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

  /** One attempt at every candidate URL: the first with usable keys wins, else the first failure counts. */
  async attempt(situation: Situation): Promise<Success | Refusal> {
    return await this.#parts.limiter(async () => {
      const { locator } = this.#parts;
      const located = await locator.locate(situation.failed, situation.signal);
      if (!located.ok) return located;
      let first: Refusal | undefined;
      for (const url of located.urls) {
        const result = await this.#ask(url, situation);
        if (result.ok) {
          locator.confirm(url);
          return result;
        }
        first ??= result;
      }
      return first ?? failure('discovery_no_jwks_uri', 'no URL to ask');
    });
  }

  async #ask(url: URL, { held, unconditional, signal }: Situation): Promise<Success | Refusal> {
    const { clock, requester, maxBody, maxKeys, observe } = this.#parts;
    const due = unconditional || clock.now() - this.#unconditionalAt >= unconditionalEvery;
    const validators =
      due || held?.url !== url.href ? {} : { etag: held.etag, lastModified: held.lastModified };
    const began = clock.now();
    const answer = await requester.send(
      url,
      { accept, maxBody, noCache: unconditional, ...validators },
      signal,
    );
    observe(clock.now() - began);
    if (!answer.ok) return answer;
    if (answer.status === 304) return { ok: true, url, answer, parsed: undefined };
    const candidate = await readCandidate(answer, maxKeys);
    if (!candidate.ok) return candidate;
    this.#unconditionalAt = clock.now();
    return { ok: true, url, answer, parsed: candidate.parsed };
  }
}
