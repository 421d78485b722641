import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { Cancel, Clock } from '../../clock.ts';

/** How a client asks: what it sends, how long it waits, what it follows. */
export interface Manner {
  /** Besides `Host`, in this order, and nothing else. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Milliseconds until the connection stands. */
  readonly connectTimeout?: number;
  /** Milliseconds without a byte, once it stands. */
  readonly idleTimeout?: number;
  /** Milliseconds over everything; the doctor's own patience where the client has no limit. */
  readonly timeout: number;
  /** Redirects the client follows, within one scheme. */
  readonly redirects: number;
  /** A body of so many bytes or more is not read to its end. */
  readonly limit: number;
}

/** An answer as it came over the wire: nothing is decoded. */
export interface Answer {
  readonly ok: true;
  readonly status: number;
  /** By lower-case name; repeated ones are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The body ended before its announced length. */
  readonly cut: boolean;
  /** What was asked for last. */
  readonly url: string;
  /** Where redirects led, in order. */
  readonly redirects: readonly string[];
  readonly milliseconds: number;
  /** Milliseconds since the epoch when it came. */
  readonly wall: number;
}

/** No answer, or not all of it. */
export interface NoAnswer {
  readonly ok: false;
  readonly reason: 'connect-timeout' | 'timeout' | 'dns' | 'refused' | 'tls' | 'reset' | 'too-large';
  /** For people. */
  readonly detail: string;
  /** Headers had arrived: what failed is the body. */
  readonly inBody: boolean;
  readonly milliseconds: number;
}

/** What asking led to. */
export type Outcome = Answer | NoAnswer;

/** Asks a URL in the manner of a client; never rejects. */
export const ask = async (url: URL, manner: Manner, clock: Clock): Promise<Outcome> => {
  const start = clock.now();
  const redirects: string[] = [];
  let target = url;
  for (;;) {
    const left = manner.timeout - (clock.now() - start);
    const outcome = await askOnce(target, { ...manner, timeout: left }, clock);
    const milliseconds = Math.round(clock.now() - start);
    if (!outcome.ok) return { ...outcome, milliseconds };
    const next = redirects.length < manner.redirects ? redirectOf(outcome, target) : undefined;
    if (next === undefined) return { ...outcome, redirects, milliseconds, wall: clock.wall() };
    redirects.push(next.href);
    target = next;
  }
};

const redirectOf = ({ status, headers }: Answer, from: URL): URL | undefined => {
  const { location } = headers;
  if (![301, 302, 303, 307, 308].includes(status) || location === undefined) return undefined;
  if (!URL.canParse(location, from.href)) return undefined;
  const to = new URL(location, from);
  return to.protocol === from.protocol ? to : undefined;
};

type Reason = NoAnswer['reason'];

const nothing: Cancel = () => undefined;

const askOnce = async (url: URL, manner: Manner, clock: Clock): Promise<Outcome> =>
  await new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let response: IncomingMessage | undefined;
    let size = 0;
    let idle: Cancel = nothing;
    const request = open(url, manner);
    const end = (outcome: Outcome): void => {
      stop();
      connecting();
      idle();
      request.destroy();
      resolve(outcome);
    };
    const fail = (reason: Reason, detail: string): void =>
      end({ ok: false, reason, detail, inBody: response !== undefined, milliseconds: 0 });
    const late = (reason: Reason, ms: number) => (): void => fail(reason, `nothing for ${Math.round(ms)} ms`);
    const stop = clock.after(manner.timeout, () =>
      fail('timeout', `no complete answer within ${Math.round(manner.timeout)} ms`),
    );
    const { connectTimeout, idleTimeout } = manner;
    const connecting =
      connectTimeout === undefined
        ? nothing
        : clock.after(connectTimeout, () =>
            fail('connect-timeout', `no connection within ${connectTimeout} ms`),
          );
    const heard = (): void => {
      idle();
      if (idleTimeout !== undefined) idle = clock.after(idleTimeout, late('timeout', idleTimeout));
    };
    request.on('socket', (socket: Socket) => {
      socket.once('connect', () => {
        connecting();
        heard();
      });
      socket.on('data', heard);
    });
    request.on('error', (error: NodeJS.ErrnoException) => fail(...classify(error)));
    request.on('response', (incoming) => {
      response = incoming;
      const whole = (cut: boolean): void => end(answerOf(incoming, Buffer.concat(chunks, size), url, cut));
      incoming.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size >= manner.limit) fail('too-large', `the answer has ${manner.limit} bytes or more`);
      });
      incoming.on('end', () => whole(false));
      // After `end` nothing comes of it; before, the connection broke off in the middle of the body.
      incoming.on('error', () => whole(true));
    });
    request.end();
  });

const open = (url: URL, { headers }: Manner): ClientRequest => {
  const bare = { setHost: false, setDefaultHeaders: false, agent: false, method: 'GET' };
  const request = url.protocol === 'https:' ? https.request(url, bare) : http.request(url, bare);
  request.setHeader('Host', url.host);
  for (const [name, value] of headers) request.setHeader(name, value);
  // Node 20 adds it by itself otherwise.
  if (!headers.some(([name]) => name.toLowerCase() === 'connection')) request.removeHeader('connection');
  return request;
};

const answerOf = (response: IncomingMessage, body: Buffer, url: URL, cut: boolean): Answer => ({
  ok: true,
  status: response.statusCode ?? 0,
  headers: Object.fromEntries(
    Object.entries(response.headersDistinct).map(([name, values]) => [name, (values ?? []).join(', ')]),
  ),
  body,
  cut,
  url: url.href,
  redirects: [],
  milliseconds: 0,
  wall: 0,
});

const classify = (error: NodeJS.ErrnoException): [Reason, string] => {
  const code = error.code ?? '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return ['dns', 'the host name is not known here'];
  if (/CERT|ALTNAME|SSL|TLS|SELF_SIGNED|EPROTO|UNABLE_TO/u.test(code))
    return ['tls', `the certificate or the TLS handshake is refused (${code})`];
  if (code === 'ECONNRESET' || code === 'EPIPE' || code.startsWith('HPE_'))
    return ['reset', 'the connection was cut, or what answers does not speak HTTP'];
  return ['refused', `no connection (${code === '' ? 'unknown' : code})`];
};
