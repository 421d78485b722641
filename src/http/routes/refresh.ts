import type { FastifyBaseLogger, FastifyPluginCallback } from 'fastify';
import type { KeyringView } from '../../keyring/keyring.ts';
import type { Refusals } from '../problem.ts';
import type { Guard } from '../write-guard.ts';

/** What the refresh route needs. */
export interface RefreshOptions {
  readonly keyring: KeyringView;
  readonly log: FastifyBaseLogger;
  readonly refusals: Refusals;
  readonly guard: Guard;
}

/** `POST /sources/{source}/refresh`: begins a refresh and does not wait for it. */
export const refreshRoute: FastifyPluginCallback<RefreshOptions> = (app, options, done) => {
  const { keyring, log, refusals, guard } = options;
  // The request says all in its path; whatever body comes with it is read to its end and dropped.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, parsed) => parsed(null));
  app.post<{ Params: { source: string } }>(
    '/sources/:source/refresh',
    // No schema: a path parameter is text already, and the first schema of a process costs 60 ms of its start.
    { onRequest: guard },
    (request, reply) => {
      const { source } = request.params;
      const outcome = keyring.refresh(source);
      if (outcome === undefined) {
        refusals.refuse(request, reply, 'unknown_source', 'No source has this name.');
        return;
      }
      log.info({ source }, 'refresh asked for by an administrator');
      outcome.catch((error: unknown) => log.error({ source, err: error }, 'the refresh failed'));
      const body = Buffer.from(JSON.stringify({ source, status: 'started' }));
      void reply.code(202).headers({ 'content-type': 'application/json', 'cache-control': 'no-store' });
      void reply.send(body);
    },
  );
  done();
};
