import { request } from 'undici';
import type { Clock } from '../clock.ts';
import { readBody } from '../sources/upstream/body.ts';
import { within } from '../sources/upstream/deadline.ts';
import type { Failure } from '../sources/upstream/failure.ts';
import { headerText } from '../sources/upstream/freshness.ts';
import { Transport } from '../sources/upstream/transport.ts';

/** What is asked over HTTP. */
export interface Question {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  /** Beside `Accept`, which is JSON, and `Accept-Encoding`, which is nothing. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What came back; `bytes` is empty unless the status is 200. */
export interface Reply {
  readonly ok: true;
  readonly status: number;
  /** Media type in lower case, without parameters; empty when there is none. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

const largestAnswer = 64 * 1024;

/**
 * Asks servers that the configuration names: one deadline over everything, no redirects, at most 64 KiB.
 *
 * Loads undici: import it only where somebody is asked.
 */
export class Asker {
  readonly #clock: Clock;
  readonly #patience: number;
  readonly #transport: Transport;

  /** `patience` is in milliseconds, over connection, headers and body together. */
  constructor(clock: Clock, patience: number) {
    this.#clock = clock;
    this.#patience = patience;
    this.#transport = new Transport({
      connectTimeout: patience,
      caFile: null,
      proxy: null,
      blockPrivateAddresses: false,
    });
  }

  /** Never rejects. */
  async ask(question: Question): Promise<Reply | Failure> {
    const { url, method, headers = {}, body = null } = question;
    return await within(
      this.#transport,
      { clock: this.#clock, ms: this.#patience },
      async (dispatcher, signal): Promise<Reply | Failure> => {
        const response = await request(url, {
          dispatcher,
          signal,
          method,
          headers: { accept: 'application/json', 'accept-encoding': 'identity', ...headers },
          body,
          headersTimeout: 0,
          bodyTimeout: 0,
        });
        // An error of a body that is thrown away must not become an unhandled event.
        response.body.on('error', () => undefined);
        const status = response.statusCode;
        const type =
          headerText(response.headers, 'content-type').split(';', 1)[0]?.trim().toLowerCase() ?? '';
        if (status !== 200) return { ok: true, status, type, bytes: new Uint8Array() };
        const read = await readBody(response, largestAnswer, signal);
        return read.ok ? { ok: true, status, type, bytes: read.bytes } : read;
      },
    );
  }
}
