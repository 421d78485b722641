import { request } from 'undici';
import type { Clock } from '../clock.ts';
import { readBody } from '../sources/upstream/body.ts';
import { within } from '../sources/upstream/deadline.ts';
import type { Failure } from '../sources/upstream/failure.ts';
import { headerText } from '../sources/upstream/freshness.ts';
import { Transport } from '../sources/upstream/transport.ts';

/** What was sent back, whatever its status. */
export interface DocumentResponse {
  readonly status: number;
  /** By lower-case name; the values of a repeated header are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** What was asked for. */
  readonly url: string;
  /** From the first packet to the last byte of the body. */
  readonly milliseconds: number;
  /** Where a redirect leads, absolute where it can be read; it was not followed. */
  readonly location?: string;
}

/** One GET, as the command line sends it. */
export interface ExchangeOptions {
  readonly clock: Clock;
  /** Milliseconds over DNS, TLS, headers and body together. */
  readonly timeout: number;
  /** Largest body in bytes, on the wire and decoded alike. */
  readonly limit: number;
  /** All that is sent besides `Host`. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer with its body, decoded. */
export interface Exchanged {
  readonly ok: true;
  readonly bytes: Buffer;
  readonly response: DocumentResponse;
}

/** Asks a URL once: one deadline, no redirect followed, no compression asked for. Never rejects. */
export const exchange = async (url: URL, options: ExchangeOptions): Promise<Exchanged | Failure> => {
  const { clock, timeout, limit, headers } = options;
  const transport = new Transport({
    connectTimeout: timeout,
    caFile: null,
    proxy: null,
    blockPrivateAddresses: false,
  });
  const start = clock.now();
  return await within(transport, { clock, ms: timeout }, async (dispatcher, signal) => {
    const response = await request(url, { dispatcher, signal, headers, headersTimeout: 0, bodyTimeout: 0 });
    // An error of a body that is thrown away must not become an unhandled event.
    response.body.on('error', () => undefined);
    const body = await readBody(response, limit, signal);
    if (!body.ok) return body;
    const received = Object.fromEntries(
      Object.keys(response.headers).map((name) => [name, headerText(response.headers, name)]),
    );
    const location = received['location'];
    return {
      ok: true,
      bytes: body.bytes,
      response: {
        status: response.statusCode,
        headers: received,
        url: url.href,
        milliseconds: Math.round(clock.now() - start),
        ...(location === undefined || response.statusCode < 300 || response.statusCode > 399
          ? {}
          : { location: URL.canParse(location, url.href) ? new URL(location, url).href : location }),
      },
    };
  });
};
