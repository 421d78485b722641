import type { FastifyBaseLogger, FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify';
import type { KeyringView } from '../../keyring/keyring.ts';
import type { Refusals } from '../problem.ts';
import type { Guard } from '../write-guard.ts';

/** What the routes of the deny list need. */
export interface DeniedOptions {
  readonly keyring: KeyringView;
  readonly log: FastifyBaseLogger;
  readonly refusals: Refusals;
  readonly guard: Guard;
}

interface Route {
  Params: { thumbprint: string };
  Body: unknown;
}

const longestReason = 500;
const isThumbprint = (text: string): boolean => /^[A-Za-z0-9_-]{43}$/u.test(text);

/** The reason in a body that is `{"reason": "…"}` and nothing else. */
const reasonOf = (body: unknown): string | undefined => {
  if (typeof body !== 'object' || body === null || Object.keys(body).join(' ') !== 'reason') return undefined;
  const { reason } = body as { reason: unknown };
  return typeof reason === 'string' && reason.trim() !== '' && reason.length <= longestReason
    ? reason
    : undefined;
};

/** `GET /denied`, `PUT` and `DELETE /denied/{thumbprint}`: the keys that no set may publish. */
export const deniedRoutes: FastifyPluginCallback<DeniedOptions> = (app, options, done) => {
  const { keyring, log, refusals, guard } = options;
  const malformed = (request: FastifyRequest, reply: FastifyReply): void =>
    refusals.refuse(request, reply, 'bad_request', 'A thumbprint has 43 characters of base64url (RFC 7638).');
  /** Answers 204 once the change is stored, or 503 when it cannot be. */
  const change = async (
    request: FastifyRequest<Route>,
    reply: FastifyReply,
    told: string,
    store: Promise<void>,
  ): Promise<void> => {
    try {
      await store;
    } catch (error) {
      log.error({ err: error }, 'the deny list could not be stored');
      refusals.refuse(
        request,
        reply,
        'not_stored',
        'The state directory cannot be written; nothing was changed.',
      );
      return;
    }
    log.warn({ thumbprint: request.params.thumbprint }, told);
    void reply.code(204).header('cache-control', 'no-store').send();
  };

  app.get('/denied', (_request, reply) => {
    void reply.headers({ 'content-type': 'application/json', 'cache-control': 'no-store' });
    void reply.send(Buffer.from(`${JSON.stringify({ denied: keyring.denied() })}\n`));
  });
  app.put<Route>('/denied/:thumbprint', { onRequest: guard }, async (request, reply) => {
    const { thumbprint } = request.params;
    if (!isThumbprint(thumbprint)) return malformed(request, reply);
    const reason = reasonOf(request.body);
    if (reason === undefined) {
      const detail = `Send {"reason": "…"} with at most ${longestReason} characters, so that others know why.`;
      return refusals.refuse(request, reply, 'bad_request', detail);
    }
    await change(request, reply, 'key denied', keyring.deny(thumbprint, reason));
    return undefined;
  });
  app.delete<Route>('/denied/:thumbprint', { onRequest: guard }, async (request, reply) => {
    const { thumbprint } = request.params;
    if (!isThumbprint(thumbprint)) return malformed(request, reply);
    await change(request, reply, 'key allowed again', keyring.allow(thumbprint));
    return undefined;
  });
  done();
};
