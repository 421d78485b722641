import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../../clock.ts';
import { JwksdError } from '../../../errors.ts';
import { emptySet, type ClientSet, type PublishedSets } from '../../../tokens/registration/published.ts';
import { isNotModified } from '../../conditional.ts';
import { documentMethods } from '../../cors.ts';
import type { FeatureHost } from '../../feature.ts';
import { otherMethods, queryOf } from './answers.ts';

/** Seconds a client's set may be kept. */
const maxAge = 60;

/** What the published sets are served with. */
export interface PublishedOptions extends FeatureHost {
  readonly path: string;
  readonly published: PublishedSets;
  /** Clients whose keys are not shown. */
  readonly disabled: ReadonlySet<string>;
  readonly clock: Pick<Clock, 'wall'>;
}

/**
 * `GET {path}/{client_id}/jwks.json`, and `GET {path}/jwks.json?client_id=…` for ids that no path can carry: URL parsers
 * take `..` away, however it is written, and many proxies refuse `%2F`.
 */
export const registerPublished = (app: FastifyInstance, options: PublishedOptions): void => {
  const { cors, counts, refusals, path, published, disabled, clock } = options;
  const urls = [`${path}/:client/jwks.json`, `${path}/jwks.json`];
  const route = { route: 'registration' } as const;
  for (const url of urls) {
    app.route({
      method: otherMethods(app, documentMethods),
      url,
      // Before the body is looked at, so that neither its type nor its size decides the answer.
      onRequest: (request, reply) =>
        refusals.refuse(request, reply, 'method_not_allowed', `Use one of ${documentMethods}.`, {
          ...route,
          headers: { allow: documentMethods },
        }),
      handler: () => undefined,
    });
  }

  const find = async (
    client: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<ClientSet | undefined> => {
    try {
      const set = await published.get(client);
      if (set !== undefined) return disabled.has(client) ? emptySet : set;
      const detail = 'No client of this name has registered a key.';
      refusals.refuse(request, reply, 'not_found', detail, route);
    } catch (error) {
      // Not an error of this request, and told once by the store: whoever asks must not be able to fill the log.
      if (!(error instanceof JwksdError) || error.code !== 'store_unavailable') throw error;
      refusals.refuse(request, reply, error.code, 'Registered keys cannot be read now.', route);
    }
    return undefined;
  };

  const answer = async (
    client: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> => {
    const set = await find(client, request, reply);
    if (set === undefined) return reply;
    const status = isNotModified(request.headers, set.etag, Infinity) ? 304 : 200;
    counts.bump('registration', status);
    const lines = [...cors.constant, ...cors.lines(request.headers.origin)];
    for (let at = 0; at + 1 < lines.length; at += 2) reply.header(lines[at] ?? '', lines[at + 1]);
    if (cors.vary.length > 0) reply.header('vary', cors.vary.join(', '));
    const left = Math.floor(((set.validUntil ?? Infinity) - clock.wall()) / 1000);
    const age = Math.max(0, Math.min(maxAge, left));
    reply.headers({ etag: set.etag, 'cache-control': `public, max-age=${age}` });
    if (status === 304) return reply.code(304).send();
    return reply.type('application/json').send(set.body);
  };

  app.route<{ Params: { client: string } }>({
    method: ['GET', 'HEAD'],
    url: `${path}/:client/jwks.json`,
    handler: async (request, reply) => await answer(request.params.client, request, reply),
  });
  app.route({
    method: ['GET', 'HEAD'],
    url: `${path}/jwks.json`,
    handler: async (request, reply) => {
      const { client_id: client } = queryOf(request) ?? {};
      if (client !== undefined) return await answer(client, request, reply);
      refusals.refuse(request, reply, 'bad_request', 'Name the client once, as ?client_id=.', route);
      return reply;
    },
  });
};
