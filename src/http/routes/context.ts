import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import type { KeyName, KeyringView } from '../../keyring/keyring.ts';
import type { PublishedKey, SetSnapshot } from '../../keyring/snapshot.ts';
import type { Documents } from '../documents.ts';
import type { RouteCode } from '../request-counts.ts';
import type { Refusals } from '../problem.ts';

/** What the routes of the documents share. */
export interface DocumentContext {
  readonly keyring: KeyringView;
  readonly documents: Documents;
  readonly refusals: Refusals;
  readonly log: FastifyBaseLogger;
}

/** A refresh that a request waited for longer than this is worth a line in the log. */
const slowDemand = 1000;

/** Waits for the bounded refresh for an unknown name, and says so in the log when it took long. */
export const demand = async (
  context: DocumentContext,
  set: SetSnapshot,
  name: KeyName,
): Promise<readonly PublishedKey[]> => {
  const begun = performance.now();
  const keys = await context.keyring.demand(set, name);
  const ms = Math.round(performance.now() - begun);
  if (ms >= slowDemand) {
    context.log.warn({ set: set.name, ms, found: keys.length > 0 }, 'a request waited for a slow refresh');
  }
  return keys;
};

/** The set as it is after a refresh; the one given when a reload has removed it meanwhile. */
export const latest = (context: DocumentContext, set: SetSnapshot): SetSnapshot =>
  context.keyring.current.sets.get(set.name) ?? set;

/** Refuses because the set has nothing to publish. */
export const refuseUnavailable = (
  context: DocumentContext,
  set: SetSnapshot,
  route: RouteCode,
  request: FastifyRequest,
  reply: FastifyReply,
): void => {
  if (set.refusal === undefined) {
    context.refusals.refuse(request, reply, 'nothing_loaded', 'The sources of this set have no keys yet.', {
      route,
    });
  } else {
    context.refusals.refuse(request, reply, 'set_refused', set.refusal, { route });
  }
};

/** Refuses because a name stands for several keys, and tells them apart. */
export const refuseAmbiguous = (
  context: DocumentContext,
  keys: readonly PublishedKey[],
  route: RouteCode,
  request: FastifyRequest,
  reply: FastifyReply,
): void => {
  const names = keys.map(({ key }) => key.thumbprint).join(', ');
  const detail = `This name stands for ${keys.length} keys; ?alg= or ?kty= may tell them apart. Thumbprints: ${names}`;
  context.refusals.refuse(request, reply, 'ambiguous_key', detail, { route });
};
