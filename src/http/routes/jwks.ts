import type { FastifyReply, FastifyRequest } from 'fastify';
import type { SetSnapshot } from '../../keyring/snapshot.ts';
import { refuseUnavailable } from './context.ts';
import type { DocumentContext } from './context.ts';

/** Answers with the JWK Set, or with 503 when there is none: never with an empty one. */
export const answerJwks = (
  context: DocumentContext,
  set: SetSnapshot,
  request: FastifyRequest,
  reply: FastifyReply,
): void => {
  if (set.document === undefined) {
    refuseUnavailable(context, set, 'jwks', request, reply);
  } else {
    reply.hijack();
    context.documents.jwkSet(set, set.document, request.raw, reply.raw);
  }
};
