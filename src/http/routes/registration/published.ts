import type { FastifyInstance } from 'fastify';
import type { PublishedSets } from '../../../tokens/registration/published.ts';
import { isNotModified } from '../../conditional.ts';
import { documentMethods } from '../../cors.ts';
import type { FeatureHost } from '../../feature.ts';

/** Seconds a client's set may be kept. */
const maxAge = 60;

/** `GET {path}/{client_id}/jwks.json`: a client's keys, for whoever verifies what it signs. */
export const registerPublished = (
  app: FastifyInstance,
  options: FeatureHost & { readonly path: string; readonly published: PublishedSets },
): void => {
  const { cors, counts, refusals, path, published } = options;
  const url = `${path}/:client/jwks.json`;
  app.route({
    method: ['POST', 'PUT', 'PATCH', 'DELETE'],
    url,
    // Before the body is looked at, so that neither its type nor its size decides the answer.
    onRequest: (request, reply) =>
      refusals.refuse(request, reply, 'method_not_allowed', `Use one of ${documentMethods}.`, {
        route: 'registration',
        headers: { allow: documentMethods },
      }),
    handler: () => undefined,
  });
  app.route<{ Params: { client: string } }>({
    method: ['GET', 'HEAD'],
    url,
    handler: async (request, reply) => {
      const set = await published.get(request.params.client);
      if (set === undefined) {
        const detail = 'No client of this name has registered a key.';
        refusals.refuse(request, reply, 'not_found', detail, { route: 'registration' });
        return reply;
      }
      const status = isNotModified(request.headers, set.etag, Infinity) ? 304 : 200;
      counts.bump('registration', status);
      const lines = [...cors.constant, ...cors.lines(request.headers.origin)];
      for (let at = 0; at + 1 < lines.length; at += 2) reply.header(lines[at] ?? '', lines[at + 1]);
      if (cors.vary.length > 0) reply.header('vary', cors.vary.join(', '));
      reply.headers({ etag: set.etag, 'cache-control': `public, max-age=${maxAge}` });
      if (status === 304) return reply.code(304).send();
      return reply.type('application/json').send(set.body);
    },
  });
};
