import { METHODS } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { registrationErrors, type RegistrationRefusal } from '../../../tokens/registration/outcome.ts';
import type { RequestCounts } from '../../request-counts.ts';

/** Writes the answers of the registration endpoints: OAuth-style JSON (RFC 6749 §5.2), never stored by anybody. */
export interface RegistrationAnswers {
  send(reply: FastifyReply, status: number, body?: object): FastifyReply;
  refuse(
    reply: FastifyReply,
    refusal: Omit<RegistrationRefusal, 'ok'>,
    headers?: Record<string, string>,
  ): FastifyReply;
  /** 405 with the methods there are. */
  refuseMethod(reply: FastifyReply, allow: string): FastifyReply;
}

/** The challenge of a refusal that is about the access token (RFC 6750 §3). */
const challenge = ({ error, code }: Omit<RegistrationRefusal, 'ok'>, scope: string): string | undefined => {
  // RFC 6750 §3.1: a request without any token is told no error.
  if (code === 'no_token') return 'Bearer';
  if (error === 'invalid_token') return 'Bearer error="invalid_token"';
  return error === 'insufficient_scope' ? `Bearer error="insufficient_scope", scope="${scope}"` : undefined;
};

/** The answers of one listener; `scope` is what an access token needs. */
export const createRegistrationAnswers = (counts: RequestCounts, scope: string): RegistrationAnswers => {
  const send: RegistrationAnswers['send'] = (reply, status, body) => {
    counts.bump('registration', status);
    void reply.code(status).header('cache-control', 'no-store');
    if (body === undefined) return reply.send();
    return reply.type('application/json').send(Buffer.from(JSON.stringify(body)));
  };
  const refuse: RegistrationAnswers['refuse'] = (reply, refusal, headers = {}) => {
    const { error, code, description } = refusal;
    const header = challenge(refusal, scope);
    if (header !== undefined) void reply.header('www-authenticate', header);
    if (error === 'temporarily_unavailable') void reply.header('retry-after', '5');
    void reply.headers(headers);
    return send(reply, registrationErrors[error], { error, error_description: description, code });
  };
  return {
    send,
    refuse,
    refuseMethod: (reply, allow) =>
      refuse(
        reply,
        { error: 'method_not_allowed', code: 'method_not_allowed', description: `use ${allow}` },
        { allow },
      ),
  };
};

/** Text of a date in answers (RFC 3339); `at` is in milliseconds since the epoch. */
export const dateText = (at: number): string => new Date(at).toISOString();

/** The query of a request, one value for each name; undefined when a name is there twice. */
export const queryOf = (request: FastifyRequest): Readonly<Record<string, string>> | undefined => {
  const entries = Object.entries(request.query as Record<string, unknown>);
  return entries.every(([, value]) => typeof value === 'string')
    ? (Object.fromEntries(entries) as Record<string, string>)
    : undefined;
};

/** The methods that are refused where those of `allow` are not. */
export const otherMethods = (app: FastifyInstance, allow: string): string[] =>
  app.supportedMethods.filter((method) => METHODS.includes(method) && !allow.split(', ').includes(method));
