import type { FastifyBaseLogger, FastifyPluginCallback } from 'fastify';
import type { RegistrationStore } from '../../stores/store.ts';
import type { Refusals } from '../problem.ts';
import type { Guard } from '../write-guard.ts';
import { queryOf } from './registration/answers.ts';
import { clientInLog } from './registration/audit.ts';
import { keyView, limitOf } from './registration/own-keys.ts';

/** What the administration of registered keys needs. */
export interface RegistrationsOptions {
  readonly store: RegistrationStore;
  readonly log: FastifyBaseLogger;
  readonly refusals: Refusals;
  readonly guard: Guard;
}

interface Route {
  Params: { client: string; jkt: string };
}

/** `GET /registrations[?client=]` and `DELETE /registrations/{client}/{jkt}` on the ops listener. */
export const registrationsRoutes: FastifyPluginCallback<RegistrationsOptions> = (app, options, done) => {
  const { store, log, refusals, guard } = options;
  app.get('/registrations', { onRequest: guard }, async (request, reply) => {
    const query = queryOf(request);
    const count = limitOf(query?.['limit']);
    if (query === undefined || count === undefined) {
      const detail = 'Each parameter is there once; limit is a number from 1 to 1000.';
      refusals.refuse(request, reply, 'bad_request', detail);
      return reply;
    }
    const { client, cursor } = query;
    const page = await store.list({ clientId: client, after: cursor, limit: count });
    const body = {
      keys: page.records.map(keyView),
      ...(page.next === undefined ? {} : { next: page.next }),
    };
    return reply
      .headers({ 'content-type': 'application/json', 'cache-control': 'no-store' })
      .send(Buffer.from(`${JSON.stringify(body)}\n`));
  });
  app.delete<Route>('/registrations/:client/:jkt', { onRequest: guard }, async (request, reply) => {
    const { client, jkt } = request.params;
    const revoked = await store.revoke(client, jkt, 'deleted');
    if (revoked === undefined) {
      refusals.refuse(request, reply, 'unknown_key', 'This client has no key of that thumbprint.');
      return reply;
    }
    log.warn(
      { audit: 'delete', ...clientInLog(client), jkt: revoked.record.jkt, address: request.ip },
      'registered key deleted by an administrator',
    );
    return reply.code(204).header('cache-control', 'no-store').send();
  });
  done();
};
