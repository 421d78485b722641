import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Server as NetServer } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { refuseConnect } from './client-errors.ts';
import { writeProblem } from './problem.ts';
import type { HttpErrorCode } from './problem.ts';
import type { TlsPair } from './tls.ts';

/** Bytes of a request's header: room for a 16 KiB token and everything a proxy adds to it. */
export const maxHeaderSize = 32 * 1024;

/** More than the idle time of the usual load balancers, so that the client side closes first. */
const keepAliveTimeout = 72_000;

/** Node looks for late requests this often; its default of 30 s would stretch every timeout by as much. */
const checkInterval = (requestTimeout: number): number => Math.min(1000, Math.ceil(requestTimeout / 4));

/** RFC 9112 §3.2: every request of HTTP/1.1 names its host. */
const lacksHost = ({ headers, httpVersion }: IncomingMessage): boolean =>
  headers.host === undefined && httpVersion === '1.1';

/**
 * The server below a listener, with the limits that keep a slow or silent client from holding a socket.
 *
 * `requestTimeout` bounds the TLS handshake, the header and the whole request. `counted` is told of what is refused here.
 */
export const createLimitedServer = (
  handler: RequestListener,
  options: { requestTimeout: number; tls: TlsPair | null; counted?: (code: HttpErrorCode) => void },
): Server => {
  const { requestTimeout, tls, counted } = options;
  const limits: ServerOptions = {
    maxHeaderSize,
    keepAliveTimeout,
    requestTimeout,
    headersTimeout: requestTimeout,
    connectionsCheckingInterval: checkInterval(requestTimeout),
    // Node's own refusal has no body and lacks the headers all answers have.
    requireHostHeader: false,
  };
  const listener: RequestListener = (request, response) => {
    if (lacksHost(request)) {
      counted?.('bad_request');
      writeProblem(response, 'bad_request', 'A request of HTTP/1.1 needs a Host header.');
    } else {
      handler(request, response);
    }
  };
  const server =
    tls === null
      ? createServer(limits, listener)
      : createTlsServer({ ...limits, ...tls, handshakeTimeout: requestTimeout }, listener);
  // RFC 9110 §10.1.1 lets a server ignore an expectation it does not know; Node would send an empty 417.
  server.on('checkExpectation', listener);
  server.on('connect', (_request, socket: Socket) => refuseConnect(socket, counted));
  return server;
};

/** Whether the service is about to end. */
export interface Lifecycle {
  readonly draining: boolean;
}

/** Ends a connection and drops what is queued on it, which the kernel would otherwise keep for minutes. */
const cut = (socket: Socket): void => {
  // What lies below a TLS socket is no TCP handle of its own, which Node refuses to reset.
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
};

/** How long connections are given to use up what is already on its way when the listener closes. */
const lingerMs = 500;

/**
 * Ends the connections that Node would leave open: those of clients that do not read, and those left over at a close.
 *
 * An answer that the client has not taken after `requestTimeout` is cut off. Node's `server.timeout` would do, but costs
 * three percent of the throughput, because it sets a timer anew for every request.
 *
 * `app.close()` fails no request: Node closes idle connections at once, and a request that is on its way on one of them
 * is lost. So for up to half a second every answer says `Connection: close` first, and what is idle then really is.
 * Connections that never sent anything are cut, because Node would wait for their first request.
 *
 * Returns `lifecycle` as the routes should see it: a listener that closes is draining too.
 */
export const guardConnections = (
  app: FastifyInstance,
  options: { requestTimeout: number; lifecycle: Lifecycle },
): Lifecycle => {
  const { requestTimeout, lifecycle } = options;
  let closing = false;
  /** When the answer now under way was first seen waiting for the client; undefined while none is. */
  const sockets = new Map<Socket, number | undefined>();
  const track = (socket: Socket): void => {
    sockets.set(socket, undefined);
    socket.once('close', () => sockets.delete(socket));
  };
  const cutStalled = (): void => {
    const now = performance.now();
    for (const [socket, since] of sockets) {
      if (socket.writableLength === 0) {
        if (since !== undefined) sockets.set(socket, undefined);
      } else if (since === undefined) {
        sockets.set(socket, now);
      } else if (now - since >= requestTimeout) {
        cut(socket);
      }
    }
  };
  // Under TLS the first is the connection before the handshake, the second what is spoken over it.
  app.server.on('connection', track);
  app.server.on('secureConnection', track);
  const timer = setInterval(cutStalled, checkInterval(requestTimeout)).unref();

  app.addHook('preClose', async () => {
    closing = true;
    // The listener alone goes first: a connection accepted later would be cut below with its request on the way.
    NetServer.prototype.close.call(app.server);
    const until = performance.now() + lingerMs;
    while (sockets.size > 0 && performance.now() < until) await sleep(20);
    for (const socket of sockets.keys()) if (socket.bytesRead === 0) socket.destroy();
  });
  app.addHook('onClose', (_instance, done) => {
    clearInterval(timer);
    done();
  });
  return {
    get draining() {
      return closing || lifecycle.draining;
    },
  };
};
