import { createServer } from 'node:http';
import type { RequestListener, Server, ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { TlsPair } from './tls.ts';

/** Room for a 16 KiB token and everything a proxy adds to it. */
const maxHeaderSize = 32 * 1024;

/** More than the idle time of the usual load balancers, so that the client side closes first. */
const keepAliveTimeout = 72_000;

/** How much longer than a request may take to arrive an answer may go without progress. */
const stallMargin = 5000;

/**
 * The server below a listener, with the limits that keep a slow or silent client from holding a socket.
 *
 * `requestTimeout` bounds the header, the whole request and the TLS handshake; a client that reads nothing of its answer
 * loses the connection 5 s after that.
 */
export const createLimitedServer = (
  handler: RequestListener,
  options: { requestTimeout: number; tls: TlsPair | null },
): Server => {
  const { requestTimeout, tls } = options;
  const limits: ServerOptions = {
    maxHeaderSize,
    keepAliveTimeout,
    requestTimeout,
    headersTimeout: requestTimeout,
    // Node looks for late requests this often; its default of 30 s would stretch every timeout by as much.
    connectionsCheckingInterval: Math.min(1000, Math.ceil(requestTimeout / 4)),
  };
  const server =
    tls === null
      ? createServer(limits, handler)
      : createTlsServer({ ...limits, ...tls, handshakeTimeout: requestTimeout }, handler);
  server.timeout = requestTimeout + stallMargin;
  // RFC 9110 §10.1.1 lets a server ignore an expectation it does not know; Node would send an empty 417.
  server.on('checkExpectation', handler);
  return server;
};

/** How long connections are given to use up what is already on its way when the listener closes. */
const lingerMs = 500;

/**
 * Lets `app.close()` end every connection without failing a request.
 *
 * Node closes idle connections at once, and a request that is on its way on one of them is lost. So every answer first
 * says `Connection: close` for up to half a second; what is idle then really is. Connections that never sent anything
 * are cut, because Node would wait for their first request.
 */
export const drainOnClose = (app: FastifyInstance): void => {
  const sockets = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  app.addHook('preClose', async () => {
    const until = performance.now() + lingerMs;
    while (sockets.size > 0 && performance.now() < until) await sleep(20);
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  });
};
