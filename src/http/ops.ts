import { METHODS } from 'node:http';
import fastify from 'fastify';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { KeyringView } from '../keyring/keyring.ts';
import type { RegistrationStore } from '../stores/store.ts';
import { answerClientError } from './client-errors.ts';
import type { Metrics } from './metrics.ts';
import { createRefusals, registerDefaults } from './problem.ts';
import { deniedRoutes } from './routes/denied.ts';
import { explainRoute, type ExplainOptions } from './routes/explain.ts';
import { registerMetrics } from './routes/metrics.ts';
import { probePaths, registerProbes } from './routes/probes.ts';
import { refreshRoute } from './routes/refresh.ts';
import { registrationsRoutes } from './routes/registrations.ts';
import { registerStatus } from './routes/status.ts';
import { withoutSchemas } from './schemas.ts';
import { createLimitedServer, guardConnections, maxHeaderSize } from './server.ts';
import type { Lifecycle } from './server.ts';
import { createHostGuard, createWriteGuard } from './write-guard.ts';

/** Everything the ops listener is made of. */
export interface OpsOptions {
  readonly keyring: KeyringView;
  readonly log: FastifyBaseLogger;
  readonly lifecycle: Lifecycle;
  readonly metrics: Metrics;
  readonly version: string;
  /** Where it will listen: off loopback, writes need a token; on it, without one, requests must name it so. */
  readonly host: string;
  /** The bearer token of every write. */
  readonly token: string | null;
  /** Registered keys, where clients may register some. */
  readonly registrations?: RegistrationStore | undefined;
  /** The validation of tokens, where there is one. */
  readonly validation?: OpsValidation | undefined;
}

/** What the ops listener tells of the validation of tokens. */
export interface OpsValidation {
  readonly explainer: ExplainOptions['explainer'];
  /** For `/status`. */
  readonly status: () => object;
}

const requestTimeout = 10_000;
const bodyLimit = 16 * 1024;

const readPaths = [...probePaths, '/metrics', '/status', '/denied'];
const refreshPath = '/sources/:source/refresh';

/** The ops listener: probes, metrics, status and administration. Ready for `listen` or `inject`. */
export const buildOps = (options: OpsOptions): FastifyInstance => {
  const { keyring, log, metrics, version, host, token } = options;
  const refusals = createRefusals({ log });
  const app: FastifyInstance = fastify({
    serverFactory: (handler) => createLimitedServer(handler, { requestTimeout, tls: null }),
    clientErrorHandler: answerClientError,
    frameworkErrors: refusals.refuseError,
    bodyLimit,
    return503OnClosing: false,
    routerOptions: { maxParamLength: maxHeaderSize },
    schemaController: withoutSchemas,
  });
  const lifecycle = guardConnections(app, { requestTimeout, lifecycle: options.lifecycle });
  registerDefaults(app, {
    refusals,
    lifecycle,
    notFound: (request, reply) =>
      refusals.refuse(request, reply, 'not_found', 'The ops listener has nothing at this path.'),
  });
  app.addHook('onRequest', createHostGuard({ token, host, refusals }));
  registerProbes(app, { keyring, lifecycle });
  registerMetrics(app, metrics);
  registerStatus(app, {
    keyring,
    lifecycle,
    version,
    registrations: options.registrations,
    validation: options.validation?.status,
  });
  const guard = createWriteGuard({ token, host, refusals });
  void app.register(refreshRoute, { keyring, log, refusals, guard });
  void app.register(deniedRoutes, { keyring, log, refusals, guard });
  const { registrations } = options;
  if (registrations !== undefined) {
    void app.register(registrationsRoutes, { store: registrations, log, refusals, guard });
    refuseOtherMethods(app, '/registrations', ['GET', 'HEAD'], refusals.refuse);
    refuseOtherMethods(app, '/registrations/:client/:jkt', ['DELETE'], refusals.refuse);
  }
  if (options.validation !== undefined) {
    const { explainer } = options.validation;
    void app.register(explainRoute, { explainer, refusals, guard, hasToken: token !== null });
    refuseOtherMethods(app, '/validate', ['POST'], refusals.refuse);
  }
  for (const url of readPaths) refuseOtherMethods(app, url, ['GET', 'HEAD'], refusals.refuse);
  refuseOtherMethods(app, refreshPath, ['POST'], refusals.refuse);
  refuseOtherMethods(app, '/denied/:thumbprint', ['PUT', 'DELETE'], refusals.refuse);
  return app;
};

const refuseOtherMethods = (
  app: FastifyInstance,
  url: string,
  supported: readonly string[],
  refuse: ReturnType<typeof createRefusals>['refuse'],
): void => {
  const allow = supported.join(', ');
  const refused = app.supportedMethods.filter(
    (method) => METHODS.includes(method) && !supported.includes(method),
  );
  app.route({
    method: refused,
    url,
    exposeHeadRoute: false,
    // Before the body is looked at, so that neither its type nor its size decides the answer.
    onRequest: (request, reply) =>
      refuse(request, reply, 'method_not_allowed', `Use ${allow}.`, { headers: { allow } }),
    handler: () => undefined,
  });
};
