import fastify from 'fastify';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { KeyringView } from '../keyring/keyring.ts';
import { answerClientError } from './client-errors.ts';
import { createCors, registerPreflight } from './cors.ts';
import type { CorsOrigins } from './cors.ts';
import { createDocuments } from './documents.ts';
import { createExactAnswers } from './exact.ts';
import type { Feature } from './feature.ts';
import type { Metrics } from './metrics.ts';
import { createRefusals, registerDefaults } from './problem.ts';
import type { HttpErrorCode } from './problem.ts';
import { errors } from '../errors.ts';
import { isDocument, refuseMethod, registerDocuments } from './routes/documents.ts';
import { registerLanding } from './routes/landing.ts';
import { probePaths, registerProbes } from './routes/probes.ts';
import { withoutSchemas } from './schemas.ts';
import { createLimitedServer, guardConnections, maxHeaderSize } from './server.ts';
import type { Lifecycle } from './server.ts';
import { parseTarget } from './target.ts';
import type { TlsPair } from './tls.ts';

/** Everything the public listener is made of. */
export interface AppOptions {
  readonly keyring: KeyringView;
  readonly log: FastifyBaseLogger;
  readonly corsOrigins: CorsOrigins;
  /** Whose `X-Forwarded-*` headers are believed: nobody's, everybody's, or those of the listed networks. */
  readonly trustProxy: boolean | readonly string[];
  /** Milliseconds for a request to arrive. */
  readonly requestTimeout: number;
  /** Bytes of a request body. */
  readonly bodyLimit: number;
  readonly landingPage: boolean;
  /** The address people reach this listener by, without a path; null prints paths only. */
  readonly publicUrl: string | null;
  /** Absent for plain HTTP. */
  readonly tls: TlsPair | null;
  /** `draining` is set when the service is about to end: readiness falls and connections are not kept. */
  readonly lifecycle: Lifecycle;
  readonly metrics: Metrics;
  /** What the configuration asks for beside the documents. */
  readonly features?: readonly Feature[];
}

/**
 * The public listener, ready for `listen` or `inject`.
 *
 * Fastify gets no logger: a child logger and two event listeners per request cost a tenth of the throughput. What is
 * worth a line is logged with `options.log`.
 */
export const buildApp = (options: AppOptions): FastifyInstance => {
  const { keyring, log, corsOrigins, trustProxy, requestTimeout, metrics, tls, features = [] } = options;
  const counts = metrics.requests;
  const cors = createCors(corsOrigins);
  const refusals = createRefusals({ log, cors, counts });
  const counted = (code: HttpErrorCode): void => counts.bump('other', errors[code].status);
  const app: FastifyInstance = fastify({
    serverFactory: (handler) =>
      createLimitedServer(
        (request, response) => {
          if (!attempts.some((attempt) => attempt(request, response))) handler(request, response);
        },
        { requestTimeout, tls, counted },
      ),
    clientErrorHandler: (error, socket) => answerClientError(error, socket, counted),
    frameworkErrors: refusals.refuseError,
    trustProxy: typeof trustProxy === 'boolean' ? trustProxy : [...trustProxy],
    bodyLimit: options.bodyLimit,
    // A request that arrives on an open connection while the listener closes is answered like any other.
    return503OnClosing: false,
    routerOptions: { maxParamLength: maxHeaderSize },
    schemaController: withoutSchemas,
  });
  const lifecycle = guardConnections(app, { requestTimeout, lifecycle: options.lifecycle });
  const documents = createDocuments({ cors, counts, lifecycle });
  const attempts = [
    createExactAnswers({ keyring, documents }),
    ...features.flatMap(({ attempt }) => attempt?.({ counts, lifecycle }) ?? []),
  ];
  const context = { keyring, documents, refusals, log };
  const fixedPaths = new Set<string>([...probePaths, ...(options.landingPage ? ['/'] : [])]);

  registerDefaults(app, {
    refusals,
    lifecycle,
    notFound: (request, reply) => refuseMethod(context, fixedPaths, request, reply),
  });
  registerPreflight(app, {
    origins: corsOrigins,
    // RFC 9110 §9.3.7: `*` asks about the server.
    isDocument: ({ raw: { url = '/' } }) =>
      url === '*' ||
      isDocument(context, url) ||
      features.some((feature) => feature.isDocument(parseTarget(url)?.path ?? '')),
    refuse: (request, reply) => refuseMethod(context, fixedPaths, request, reply),
    counted: () => counts.bump('preflight', 204),
  });
  registerProbes(app, { keyring, lifecycle, counts });
  if (options.landingPage) registerLanding(app, { keyring, publicUrl: options.publicUrl, counts });
  for (const feature of features) feature.register(app, { log, cors, counts, refusals, lifecycle });
  registerDocuments(app, context, fixedPaths);
  return app;
};
