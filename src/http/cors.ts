import cors from '@fastify/cors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Who may read the public documents from a browser: everybody, or the listed origins. */
export type CorsOrigins = '*' | readonly string[];

/** Header lines as `writeHead` takes them: name, value, name, value. */
export type HeaderLines = readonly string[];

/** The CORS half of an answer that is not a preflight. */
export interface Cors {
  /** Added to `Vary`; empty when every origin gets the same answer. */
  readonly vary: readonly string[];
  /** The same lines for every request: part of the prepared header lines. */
  readonly constant: HeaderLines;
  /** What the origin of this one request adds; empty when `constant` says it all. */
  lines(origin: string | undefined): HeaderLines;
}

/** Response headers a script may read beside the safelisted ones. */
const exposed = 'ETag, Age, JWKS-Degraded';

/** The methods every public document supports, also the value of `Allow`. */
export const documentMethods = 'GET, HEAD, OPTIONS';

/**
 * The CORS headers of documents and of the errors in their place.
 *
 * Written here and not by @fastify/cors, whose hook on every request costs a tenth of the throughput of a document; it
 * answers the preflights, which are rare.
 */
export const createCors = (origins: CorsOrigins): Cors => {
  if (origins === '*') {
    const constant = ['access-control-allow-origin', '*', 'access-control-expose-headers', exposed];
    return { vary: [], constant, lines: () => [] };
  }
  const allowed = new Map(
    origins.map((origin) => [
      origin,
      ['access-control-allow-origin', origin, 'access-control-expose-headers', exposed],
    ]),
  );
  return { vary: ['Origin'], constant: [], lines: (origin) => allowed.get(origin ?? '') ?? [] };
};

/** What {@link registerPreflight} asks and tells. */
export interface PreflightOptions {
  readonly origins: CorsOrigins;
  /** Whether a request names something that scripts may read, now. */
  readonly isDocument: (request: FastifyRequest) => boolean;
  /** Answers what names nothing of that kind. */
  readonly refuse: (request: FastifyRequest, reply: FastifyReply) => void;
  /** Told of each request that is answered here. */
  readonly counted: () => void;
}

/** Answers preflights, and every other OPTIONS request, for documents with 204. */
export const registerPreflight = (app: FastifyInstance, options: PreflightOptions): void => {
  const { origins, isDocument, refuse, counted } = options;
  // A scope of its own: the plugin's hook must not run for GET.
  void app.register((scope, _options, done) => {
    // Before the plugin's own hook, which answers whatever it is asked.
    scope.addHook('onRequest', (request, reply, next) => {
      if (!isDocument(request)) {
        refuse(request, reply);
        return;
      }
      reply.header('Allow', documentMethods);
      counted();
      next();
    });
    void scope.register(cors, {
      origin: origins === '*' ? '*' : [...origins],
      methods: documentMethods,
      strictPreflight: false,
      optionsSuccessStatus: 204,
      maxAge: 86_400,
    });
    done();
  });
};
