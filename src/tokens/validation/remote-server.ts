import { createHash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { Asker } from '../asker.ts';
import { readObject } from '../json-object.ts';
import { parseCompactJws } from '../jws.ts';
import { BoundedCache, millisecondsTo } from './bounded-cache.ts';
import { isSubject } from './subject.ts';
import { Tally } from './tally.ts';
import type { Remote, RemoteAnswer } from './validator.ts';

/** Milliseconds for the whole question. */
const patience = 3000;

/** Milliseconds a positive answer is believed at most. */
const longest = 60_000;

/** Longest token that is sent anywhere, in bytes. */
const longestToken = 16 * 1024;

const no = (unavailable: boolean, hint: string): RemoteAnswer => ({ valid: false, unavailable, hint });

/**
 * Asks the authentication server of Okera's documentation: POST with the token as bearer and no body; 200 with a text
 * `sub` is yes, and everything else is no.
 */
export class RemoteServer implements Remote {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #asker: Asker;
  readonly #known: BoundedCache<RemoteAnswer>;
  /** Questions under way, which callers with the same token share. */
  readonly #asking = new Map<string, Promise<RemoteAnswer>>();
  readonly #results = new Tally();

  constructor(url: string, clock: Clock) {
    this.#url = url;
    this.#clock = clock;
    this.#asker = new Asker(clock, patience);
    this.#known = new BoundedCache(clock, 10_000);
  }

  /** Questions by result: `valid`, `refused`, `unavailable`, and `cached` for those an earlier answer was good for. */
  get results(): Readonly<Record<string, number>> {
    return this.#results.counts;
  }

  async ask(token: string): Promise<RemoteAnswer> {
    // What cannot stand in a header is no token of anybody.
    if (token.length > longestToken || !/^[\x21-\x7e]+$/u.test(token)) {
      return no(
        false,
        'the token is too long, or has characters no token has; check that it was copied whole',
      );
    }
    const name = createHash('sha256').update(token).digest('base64url');
    const known = this.#known.get(name);
    if (known !== undefined && this.#left(token, known) > 0) {
      this.#results.bump('cached');
      return known;
    }
    let asking = this.#asking.get(name);
    if (asking === undefined) {
      asking = this.#askOnce(name, token).finally(() => this.#asking.delete(name));
      this.#asking.set(name, asking);
    }
    return await asking;
  }

  async #askOnce(name: string, token: string): Promise<RemoteAnswer> {
    const answer = await this.#ask(token);
    this.#results.bump(answer.valid ? 'valid' : answer.unavailable ? 'unavailable' : 'refused');
    if (answer.valid) this.#known.set(name, answer, Math.min(longest, this.#left(token, answer)));
    return answer;
  }

  /** Milliseconds for which an answer holds: until `exp` of the answer, and of the token where it is a JWT. */
  #left(token: string, answer: RemoteAnswer): number {
    const now = this.#clock.wall();
    const parsed = parseCompactJws(token, longestToken);
    const claims = parsed.ok ? readObject(parsed.jws.payload) : undefined;
    const ofToken = claims?.ok === true ? millisecondsTo(claims.members['exp'], now) : Infinity;
    const ofAnswer = answer.valid ? millisecondsTo(answer.claims['exp'], now) : 0;
    return Math.min(ofToken, ofAnswer);
  }

  async #ask(token: string): Promise<RemoteAnswer> {
    const reply = await this.#asker.ask({
      url: this.#url,
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-length': '0' },
    });
    if (!reply.ok) {
      // It did answer, and not with what says yes.
      const answered = reply.code === 'too_large' || reply.code === 'decompress';
      return no(!answered, `the authentication server: ${reply.detail} (${reply.code})`);
    }
    if (reply.status >= 500)
      return no(true, `the authentication server answered ${reply.status}; its own log tells why`);
    if (reply.status !== 200)
      return no(false, `the authentication server answered ${reply.status}; its own log tells why`);
    const read = readObject(reply.bytes);
    const sub = read.ok ? read.members['sub'] : undefined;
    if (!read.ok || !isSubject(sub)) {
      return no(
        false,
        'the authentication server answered 200 without a text sub in a JSON object; compare its URL',
      );
    }
    const claims = read.members;
    if (millisecondsTo(claims['exp'], this.#clock.wall()) <= 0) {
      return no(false, 'the authentication server vouches for a token whose exp is past');
    }
    const { iss } = claims;
    return { valid: true, sub, iss: typeof iss === 'string' ? iss : undefined, claims };
  }
}
