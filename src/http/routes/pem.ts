import type { FastifyReply, FastifyRequest } from 'fastify';
import type { PublishedKey, SetSnapshot } from '../../keyring/snapshot.ts';
import type { RouteCode } from '../request-counts.ts';
import { choose } from '../target.ts';
import { demand, latest, refuseAmbiguous, refuseUnavailable } from './context.ts';
import type { DocumentContext } from './context.ts';

const pemName = /^([0-9a-f]{64})\.pem$/iu;

/** The kid digest in a file name, lower case; undefined when the name is not 64 hex digits and `.pem`. */
export const digestOf = (name: string): string | undefined => pemName.exec(name)?.[1]?.toLowerCase();

/** The keys of a name that is asked for as PEM, before the query is looked at. */
export interface FoundPem {
  readonly set: SetSnapshot;
  readonly keys: readonly PublishedKey[];
  readonly query: string;
  /** How it was asked for. */
  readonly route: RouteCode;
}

/** Answers with the PEM of the one key that `keys` and the query leave, or says why there is none. */
export const answerPemOf = (
  context: DocumentContext,
  found: FoundPem,
  request: FastifyRequest,
  reply: FastifyReply,
): void => {
  const { set, route } = found;
  const keys = choose(found.keys, found.query);
  const [key] = keys;
  if (keys.length > 1) {
    refuseAmbiguous(context, keys, route, request, reply);
  } else if (key === undefined) {
    context.refusals.refuse(request, reply, 'unknown_key', 'No published key has this name.', { route });
  } else if (key.pem === undefined) {
    const detail = 'This key cannot be written as PEM here; the JWK Set has it.';
    context.refusals.refuse(request, reply, 'unknown_key', detail, { route });
  } else {
    reply.hijack();
    context.documents.pem(set, key, key.pem, route, request.raw, reply.raw);
  }
};

const answerAfterDemand = async (
  context: DocumentContext,
  set: SetSnapshot,
  asked: { digest: string; query: string },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> => {
  const keys = await demand(context, set, { by: 'digest', value: asked.digest });
  answerPemOf(context, { set: latest(context, set), keys, query: asked.query, route: 'pem' }, request, reply);
};

/** Answers `{directory}/{name}`: Jitsi's way to ask for a key. An unknown digest may wait for one bounded refresh. */
export const answerPem = (
  context: DocumentContext,
  set: SetSnapshot,
  asked: { name: string; query: string },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> | undefined => {
  const { query } = asked;
  const digest = digestOf(asked.name);
  if (digest === undefined) {
    const detail = 'A PEM is named by the SHA-256 of its kid: 64 hexadecimal digits.';
    context.refusals.refuse(request, reply, 'not_found', detail, { route: 'pem' });
    return undefined;
  }
  const keys = set.byDigest.get(digest);
  if (keys !== undefined) {
    answerPemOf(context, { set, keys, query, route: 'pem' }, request, reply);
    return undefined;
  }
  if (set.document === undefined) {
    refuseUnavailable(context, set, 'pem', request, reply);
    return undefined;
  }
  return answerAfterDemand(context, set, { digest, query }, request, reply);
};
