import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../../clock.ts';
import { JwksdError, type ErrorCode } from '../../../errors.ts';
import type { SharedCounters } from '../../../stores/store.ts';
import type { AccessTokenJudge } from '../../../tokens/access-token.ts';
import { refusal, type RegistrationRefusal } from '../../../tokens/registration/outcome.ts';
import type { PublishedSets } from '../../../tokens/registration/published.ts';
import type { Registrar } from '../../../tokens/registration/registrar.ts';
import type { Feature, FeatureHost } from '../../feature.ts';
import { createRegistrationAnswers, otherMethods } from './answers.ts';
import { createAudit, type RegistrationOutcomes } from './audit.ts';
import { createCallers } from './caller.ts';
import { registerOwnKeys } from './own-keys.ts';
import { registerPublished } from './published.ts';
import { sharedStore } from './shared-rate.ts';

/** What the registration of keys is made of. */
export interface RegistrationOptions {
  readonly path: string;
  readonly noncePath: string;
  readonly scope: string;
  /** Whether `?token=` is taken, as CAS's clients send it. */
  readonly tokenInQuery: boolean;
  readonly rateLimit: { readonly max: number; readonly window: number };
  readonly registrar: Registrar;
  readonly published: PublishedSets;
  readonly accessTokens: AccessTokenJudge;
  /** Where requests are counted for all replicas; undefined: in this process. */
  readonly counters: SharedCounters | undefined;
  /** Clients that may do nothing here, and whose keys are not shown. */
  readonly disabled: ReadonlySet<string>;
  readonly clock: Pick<Clock, 'now' | 'wall'>;
  /** Counts what became of every write. */
  readonly outcomes: RegistrationOutcomes;
}

/** The endpoints of docs/registration.md. */
export const registrationFeature = (options: RegistrationOptions): Feature => {
  const { path } = options;
  return {
    isDocument: (target) => target.startsWith(`${path}/`) && target.endsWith('/jwks.json'),
    register: (app, host) => {
      // Public documents: errors are problem documents, as everywhere else.
      registerPublished(app, { ...host, ...options });
      void app.register((scope, _options, done) => {
        registerClients(scope, options, host);
        done();
      });
    },
  };
};

const registerClients = (app: FastifyInstance, options: RegistrationOptions, host: FeatureHost): void => {
  const { path, noncePath, registrar, accessTokens, tokenInQuery, counters } = options;
  const { counts, log } = host;
  const answers = createRegistrationAnswers(counts, options.scope);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, parsed) =>
    parsed(null, body),
  );
  app.setErrorHandler((error, request, reply) => {
    const expected = mistake(error);
    if (expected !== undefined) return answers.refuse(reply, expected);
    return host.refusals.refuseError(error, request, reply);
  });
  void app.register(rateLimit, {
    global: false,
    ...(counters === undefined ? {} : { store: sharedStore(counters, options.clock) }),
  });
  void app.register((scope, _options, done) => {
    const callers = createCallers(scope, {
      accessTokens,
      answers,
      log,
      tokenInQuery,
      rateLimit: options.rateLimit,
      disabled: options.disabled,
    });
    const audit = createAudit(log, options.outcomes);
    registerOwnKeys(scope, { path, noncePath, registrar, callers, answers, audit });
    for (const [url, allow] of [
      [path, 'GET, HEAD, POST'],
      [`${path}/:jkt`, 'DELETE'],
      [`${path}/:jkt/revoke`, 'POST'],
      [noncePath, 'POST'],
    ] as const) {
      scope.route({
        // OPTIONS asks about `jwks.json` too, which lies here and is a document.
        method: otherMethods(scope, url.endsWith('/:jkt') ? `${allow}, OPTIONS` : allow),
        url,
        exposeHeadRoute: false,
        onRequest: (_request, reply) => void answers.refuseMethod(reply, allow),
        handler: () => undefined,
      });
    }
    done();
  });
};

const byStatus: Readonly<Record<number, RegistrationRefusal>> = {
  400: refusal('invalid_request', 'the request cannot be understood'),
  413: refusal('payload_too_large', 'the body is too large'),
  415: refusal('unsupported_media_type', 'send the body as application/json'),
};

const known: Readonly<Partial<Record<ErrorCode, RegistrationRefusal>>> = {
  bad_request: refusal('invalid_request', 'the cursor is not one of this list'),
  // Told once by the store, and in the line that every write leaves.
  store_unavailable: refusal(
    'temporarily_unavailable',
    'registered keys cannot be read or written now; try again',
  ),
};

/** What is to be told of a failure; undefined when it is a mistake of ours. */
const mistake = (error: unknown): RegistrationRefusal | undefined => {
  if (error instanceof JwksdError) return known[error.code];
  const { statusCode } = error as { statusCode?: number };
  return statusCode === undefined ? undefined : byStatus[statusCode];
};
