import http, { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import zlib from 'node:zlib';

/** A request as it arrived. */
export interface RecordedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** Answers one request in whatever way a test wants; the helpers below make most of them. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

type Headers = Readonly<Record<string, string | readonly string[]>>;
type Body = string | Buffer | object;

const bytesOf = (body: Body): Buffer =>
  Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));

const send = (response: ServerResponse, status: number, headers: Headers, body: Buffer): void => {
  response.writeHead(status, {
    'content-length': String(body.length),
    ...headers,
  } as http.OutgoingHttpHeaders);
  response.end(body);
};

/** 200 with a body; an object is written as JSON. */
export const ok =
  (body: Body, headers: Headers = {}): Handler =>
  (_request, response) =>
    send(response, 200, { 'content-type': 'application/json', ...headers }, bytesOf(body));

/** Any status, with or without a body. */
export const status =
  (code: number, headers: Headers = {}, body: Body = ''): Handler =>
  (_request, response) =>
    send(response, code, headers, bytesOf(body));

/** A redirect; `location` may be relative. */
export const redirect = (location: string, code = 302): Handler => status(code, { location });

/** 200 with validators, and 304 when they come back. */
export const conditional =
  (
    body: Body,
    validators: { readonly etag?: string; readonly 'last-modified'?: string },
    headers: Headers = {},
  ): Handler =>
  (request, response) => {
    const sent = request.headers;
    const match =
      (validators.etag !== undefined && sent['if-none-match'] === validators.etag) ||
      (validators['last-modified'] !== undefined &&
        sent['if-modified-since'] === validators['last-modified']);
    const all = { ...headers, ...validators } as Headers;
    if (match) send(response, 304, all, Buffer.alloc(0));
    else ok(body, all)(request, response);
  };

/** Never answers. */
export const hang = (): Handler => () => undefined;

/** Ends the connection without an answer, with a RST where the platform can send one. */
export const reset = (): Handler => (request) => void request.socket.resetAndDestroy();

/** Writes these bytes on the socket as they are, then ends the connection. */
export const raw =
  (text: string | Buffer): Handler =>
  (request) =>
    void request.socket.end(text);

/** Promises the whole body and ends the connection in the middle of it. */
export const cutOff =
  (body: Body, after = 20): Handler =>
  (_request, response) => {
    const bytes = bytesOf(body);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(bytes.length) });
    response.write(bytes.subarray(0, after), () => response.socket?.end());
  };

/** Sends the headers at once and the body one byte per `ms`. */
export const drip =
  (body: Body, ms = 1000): Handler =>
  (_request, response) => {
    const bytes = bytesOf(body);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(bytes.length) });
    response.flushHeaders();
    let sent = 0;
    const timer = setInterval(() => {
      if (sent < bytes.length) response.write(bytes.subarray(sent, (sent += 1)));
      else response.end();
    }, ms);
    response.on('close', () => clearInterval(timer));
  };

/** Answers after `ms` milliseconds, as `handler` does. */
export const delayed =
  (ms: number, handler: Handler): Handler =>
  (request, response) => {
    const timer = setTimeout(() => handler(request, response), ms);
    response.on('close', () => clearTimeout(timer));
  };

const codings = {
  gzip: (bytes: Buffer) => zlib.gzipSync(bytes),
  br: (bytes: Buffer) =>
    zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
  deflate: (bytes: Buffer) => zlib.deflateSync(bytes),
};

/** 200 with an encoded body, whether that was asked for or not. */
export const encoded = (coding: keyof typeof codings, body: Body): Handler =>
  ok(codings[coding](bytesOf(body)), { 'content-encoding': coding });

/** A small body that decodes to `size` bytes of white space around `body`: valid JSON, if anyone gets that far. */
export const bomb = (coding: keyof typeof codings, size: number, body: Body = { keys: [] }): Handler =>
  encoded(coding, Buffer.concat([Buffer.alloc(size, 0x20), bytesOf(body)]));

/** One handler after another; the last one stays. */
export const sequence = (...handlers: readonly Handler[]): Handler => {
  let n = 0;
  return (request, response) => {
    const handler = handlers[Math.min(n, handlers.length - 1)];
    n += 1;
    handler?.(request, response);
  };
};

/** A handler per path, query ignored; 404 for the others. */
export const byPath =
  (handlers: Readonly<Record<string, Handler>>): Handler =>
  (request, response) =>
    (handlers[new URL(request.url ?? '/', 'http://host').pathname] ?? status(404))(request, response);

/** A real server on a free port of loopback, whose answers a test decides and whose requests it can read. */
export class FakeUpstream {
  readonly requests: RecordedRequest[] = [];
  /** Answers every request from now on; 404 at first. */
  handler: Handler = status(404);
  readonly #server: http.Server | https.Server;
  readonly #sockets = new Set<Socket>();
  readonly #scheme: 'http' | 'https';
  readonly #host: string;
  #accepted = 0;

  private constructor(server: http.Server | https.Server, scheme: 'http' | 'https', host: string) {
    this.#server = server;
    this.#scheme = scheme;
    this.#host = host;
  }

  /** Starts a server. With `tls` it speaks https, as `localhost` (the name in the certificates of `./tls.ts`). */
  static async start(
    options: {
      readonly handler?: Handler;
      readonly tls?: { readonly key: string; readonly cert: string };
      readonly host?: string;
      readonly port?: number;
    } = {},
  ): Promise<FakeUpstream> {
    const { tls, host = '127.0.0.1', port = 0 } = options;
    const server = tls === undefined ? http.createServer() : https.createServer(tls);
    const upstream = new FakeUpstream(
      server,
      tls === undefined ? 'http' : 'https',
      tls === undefined ? host : 'localhost',
    );
    if (options.handler !== undefined) upstream.handler = options.handler;
    server.on('connection', (socket: Socket) => {
      upstream.#accepted += 1;
      upstream.#sockets.add(socket);
      socket.on('close', () => upstream.#sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    server.on('tlsClientError', () => undefined);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      response.on('error', () => undefined);
      upstream.requests.push({
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
      });
      upstream.handler(request, response);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** `http://127.0.0.1:{port}`, or `https://localhost:{port}`. */
  get origin(): string {
    const host = this.#host.includes(':') ? `[${this.#host}]` : this.#host;
    return `${this.#scheme}://${host}:${this.port}`;
  }

  /** A URL on this server. */
  url(path = '/jwks.json'): URL {
    return new URL(path, this.origin);
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Connections accepted so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Serves with another certificate from the next connection on. */
  setCertificate(tls: { readonly key: string; readonly cert: string }): void {
    if (this.#server instanceof https.Server) this.#server.setSecureContext(tls);
  }

  /** Stops listening and ends every connection; the port refuses from then on. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
