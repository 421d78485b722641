import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AccessTokenJudge } from '../../../tokens/access-token.ts';
import { clientKey } from '../../../stores/client-key.ts';
import { refusal, type RegistrationRefusal } from '../../../tokens/registration/outcome.ts';
import type { Caller } from '../../../tokens/registration/registrar.ts';
import { queryOf, type RegistrationAnswers } from './answers.ts';
import { clientInLog } from './audit.ts';

/** What {@link createCallers} works with. */
export interface CallersOptions {
  readonly accessTokens: AccessTokenJudge;
  readonly log: FastifyBaseLogger;
  readonly answers: RegistrationAnswers;
  /** Whether `?token=` is taken, as CAS's clients send it. */
  readonly tokenInQuery: boolean;
  /** Requests of one client, and of one address, in each window of so many milliseconds. */
  readonly rateLimit: { readonly max: number; readonly window: number };
  /** Clients that may do nothing here. */
  readonly disabled: ReadonlySet<string>;
}

/** Knows who makes a request. */
export interface Callers {
  /** Answers requests without a good access token, and those beyond the rate of their address or client. */
  readonly identify: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
  /** Who made a request that {@link identify} let through. */
  readonly of: (request: FastifyRequest) => Caller;
}

/** The callers of a listener on which @fastify/rate-limit is registered. */
export const createCallers = (app: FastifyInstance, options: CallersOptions): Callers => {
  const { accessTokens, answers, tokenInQuery, log, disabled } = options;
  const { max, window: timeWindow } = options.rateLimit;
  const callers = new WeakMap<FastifyRequest, Caller>();
  const ofAddress = app.createRateLimit({ max, timeWindow });
  const ofClient = app.createRateLimit({
    max,
    timeWindow,
    keyGenerator: (request) => `client ${clientKey(callers.get(request)?.clientId ?? '')}`,
  });
  const exceeded = async (limit: typeof ofAddress, request: FastifyRequest): Promise<number | undefined> => {
    const rate = await limit(request);
    return !rate.isAllowed && rate.isExceeded ? Math.max(1, rate.ttlInSeconds) : undefined;
  };
  const slowDown = (reply: FastifyReply, seconds: number): FastifyReply =>
    answers.refuse(reply, refusal('rate_limited', `too many requests; try again in ${seconds} s`), {
      'retry-after': String(seconds),
    });
  return {
    identify: async (request, reply) => {
      // Before anything is counted: it costs nothing, and is true whatever became of the counters.
      const presented = presentedToken(request, tokenInQuery);
      if (typeof presented !== 'string') return answers.refuse(reply, presented);
      const byAddress = await exceeded(ofAddress, request);
      if (byAddress !== undefined) return slowDown(reply, byAddress);
      const outcome = await accessTokens.judge(presented);
      if (!outcome.ok) {
        const { error, code, description, detail } = outcome;
        log.info({ audit: 'refused', code, detail, address: request.ip }, 'registration of keys');
        return answers.refuse(
          reply,
          refusal(error === 'unavailable' ? 'temporarily_unavailable' : error, description),
        );
      }
      const { clientId } = outcome;
      callers.set(request, { clientId, accessToken: presented });
      const byClient = await exceeded(ofClient, request);
      if (byClient !== undefined) return slowDown(reply, byClient);
      if (!disabled.has(clientId)) return undefined;
      const line = {
        audit: 'refused',
        ...clientInLog(clientId),
        code: 'client_disabled',
        address: request.ip,
      };
      log.info(line, 'registration of keys');
      return answers.refuse(reply, refusal('client_disabled', 'this client may not register keys'));
    },
    of: (request) => {
      const caller = callers.get(request);
      if (caller === undefined) throw new Error('a route of clients was reached without a client');
      return caller;
    },
  };
};

/** How often a header field is there; Node shows one of several. */
const timesSent = (request: FastifyRequest, name: string): number =>
  request.raw.rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === name).length;

/** The access token of a request (RFC 6750 §2.1, §2.3), or why there is none. */
const presentedToken = (request: FastifyRequest, tokenInQuery: boolean): string | RegistrationRefusal => {
  const { authorization } = request.headers;
  const query = queryOf(request);
  // Node keeps the first of two and hides the other, which a proxy may have looked at.
  if (timesSent(request, 'authorization') > 1) {
    return refusal('invalid_request', 'the Authorization header is there twice');
  }
  if (query === undefined) return refusal('invalid_request', 'a query parameter is there twice');
  const inQuery = query['token'];
  if (inQuery !== undefined && !tokenInQuery) {
    return refusal('invalid_request', 'send the access token in the Authorization header, not in the URL');
  }
  if (inQuery !== undefined && authorization !== undefined) {
    return refusal('invalid_request', 'send the access token once, in the Authorization header');
  }
  const token = inQuery ?? /^bearer +([A-Za-z0-9._~+/-]+=*)$/iu.exec(authorization ?? '')?.[1];
  if (token !== undefined && token !== '') return token;
  return authorization === undefined
    ? refusal('invalid_token', 'send an access token as Authorization: Bearer', 'no_token')
    : refusal('invalid_token', 'the Authorization header holds no bearer token');
};
