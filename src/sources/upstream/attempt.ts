import { request, type Dispatcher } from 'undici';
import type { Clock } from '../../clock.ts';
import { readSecretFile } from '../secret-file.ts';
import { literalBlocked } from './addresses.ts';
import { readBody } from './body.ts';
import { within } from './deadline.ts';
import { failure, failureOfStatus, type Failure } from './failure.ts';
import { headerText, retryAfter, type Headers } from './freshness.ts';
import { redirectTarget } from './redirect.ts';
import { Transport, type TransportOptions } from './transport.ts';

/** Everything about one upstream that an attempt needs. */
export interface AttemptOptions extends TransportOptions {
  /** Milliseconds over DNS, TLS, headers, body and redirects together. */
  readonly totalTimeout: number;
  /** Bytes, on the wire and decoded alike. */
  readonly maxBody: number;
  /** File with a bearer token; read again for every attempt. */
  readonly bearerTokenFile: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Origins that `headers` and the token are for; no other host gets them, whoever points to it. */
  readonly ownOrigins: readonly string[];
  /** Plain http to other hosts than loopback. */
  readonly allowInsecureHttp: boolean;
  /** Hosts a redirect may lead to besides the origin itself. */
  readonly allowRedirectHosts: readonly string[];
}

/** What one request asks for beyond its URL. */
export interface Ask {
  readonly accept: string;
  readonly maxBody: number;
  /** Validators of the copy we hold (RFC 9110 §13.1); none for an unconditional request. */
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  /** Tells caches on the way to ask the origin (RFC 9111 §5.2.1.4). */
  readonly noCache?: boolean;
}

/** A usable answer; `body` is empty for a 304. */
export interface Answer {
  readonly ok: true;
  readonly status: 200 | 304;
  readonly headers: Headers;
  readonly body: Buffer;
}

const maxRedirects = 3;
const redirects = new Set([301, 302, 303, 307, 308]);

/** Sends requests to one upstream, each bounded in time, size and destination. */
export class Requester {
  readonly #options: AttemptOptions;
  readonly #clock: Clock;
  readonly #userAgent: string;
  readonly #transport: Transport;

  constructor(options: AttemptOptions, clock: Clock, userAgent: string) {
    this.#options = options;
    this.#clock = clock;
    this.#userAgent = userAgent;
    this.#transport = new Transport(options);
  }

  /** One attempt. Never throws; `signal` ends it early when the source is closed. */
  async send(url: URL, ask: Ask, signal: AbortSignal): Promise<Answer | Failure> {
    const { totalTimeout: ms } = this.#options;
    return await within(
      this.#transport,
      { clock: this.#clock, ms, signal },
      async (dispatcher, ending) => await this.#follow(url, ask, dispatcher, ending),
    );
  }

  async #follow(
    start: URL,
    ask: Ask,
    dispatcher: Dispatcher,
    signal: AbortSignal,
  ): Promise<Answer | Failure> {
    const own = await this.#ownHeaders();
    if (!own.ok) return own;
    let url = start;
    for (let hops = 0; ; hops += 1) {
      const refused = literalBlocked(url, this.#options.blockPrivateAddresses);
      if (refused !== undefined) return refused;
      const headers = {
        accept: ask.accept,
        'user-agent': this.#userAgent,
        ...(this.#options.ownOrigins.includes(url.origin) ? own.headers : {}),
        ...conditions(ask),
      };
      const response = await request(url, { dispatcher, signal, headers, headersTimeout: 0, bodyTimeout: 0 });
      // An error of a body that is thrown away must not become an unhandled event.
      response.body.on('error', () => undefined);
      if (!redirects.has(response.statusCode)) return await this.#judge(response, ask, signal);
      response.body.destroy();
      if (hops === maxRedirects) return failure('redirect_blocked', `more than ${maxRedirects} redirects`);
      const next = redirectTarget(headerText(response.headers, 'location'), url, start, this.#options);
      if (!(next instanceof URL)) return next;
      url = next;
    }
  }

  async #judge(response: Dispatcher.ResponseData, ask: Ask, signal: AbortSignal): Promise<Answer | Failure> {
    const { statusCode: status, headers } = response;
    const conditional = ask.etag !== undefined || ask.lastModified !== undefined;
    if (status === 200) {
      const body = await readBody(response, ask.maxBody, signal);
      return body.ok ? { ok: true, status, headers, body: body.bytes } : body;
    }
    response.body.destroy();
    if (status === 304 && conditional) return { ok: true, status, headers, body: Buffer.alloc(0) };
    // A cache that answers 304 to an unconditional request may do better when asked again.
    if (status === 304) return { ...failureOfStatus(status, undefined), retry: 'once' };
    return failureOfStatus(status, retryAfter(headers, this.#clock.wall()));
  }

  /** The configured headers and the bearer token: for the configured origins, never for where they point to. */
  async #ownHeaders(): Promise<{ readonly ok: true; readonly headers: Record<string, string> } | Failure> {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.#options.headers)) headers[name.toLowerCase()] = value;
    const { bearerTokenFile } = this.#options;
    if (bearerTokenFile === null) return { ok: true, headers };
    try {
      const token = (await readSecretFile(bearerTokenFile)) ?? '';
      if (!/^[\x21-\x7e]+$/u.test(token)) return failure('token_file', `${bearerTokenFile} holds no token`);
      headers['authorization'] = `Bearer ${token}`;
      return { ok: true, headers };
    } catch {
      return failure('token_file', `bearerTokenFile ${bearerTokenFile} cannot be read`);
    }
  }
}

/** The headers jwksd alone decides about, whatever is configured. */
const conditions = (ask: Ask): Record<string, string> => ({
  'accept-encoding': 'identity',
  ...(ask.noCache === true ? { 'cache-control': 'no-cache' } : {}),
  ...(ask.etag === undefined ? {} : { 'if-none-match': ask.etag }),
  ...(ask.lastModified === undefined ? {} : { 'if-modified-since': ask.lastModified }),
});
