import type { FastifyReply, FastifyRequest } from 'fastify';
import type { PublishedKey, SetSnapshot } from '../../keyring/snapshot.ts';
import { choose, parameterSpellings } from '../target.ts';
import type { Target } from '../target.ts';
import { demand, latest, refuseAmbiguous, refuseUnavailable } from './context.ts';
import type { DocumentContext } from './context.ts';
import { answerPemOf } from './pem.ts';

/** A request below `/sets/{set}/keys`. */
export interface KeyTarget {
  readonly set: string;
  /** The names that may be meant, in order; empty when none is given. */
  readonly names: readonly string[];
  readonly query: string;
}

// The kid is everything that is left: it may contain slashes.
const keyPath = /^\/+sets\/+([^/]+)\/+keys(?:\/(.*))?$/su;

/** What is asked for below `/sets/{set}/keys`; undefined for any other path. */
export const keyTarget = (target: Target): KeyTarget | undefined => {
  const match = keyPath.exec(target.path);
  if (match === null) return undefined;
  const [, set = '', rest] = match;
  const names = rest === undefined || rest === '' ? parameterSpellings(target.query, 'kid') : [rest];
  return { set, names, query: target.query };
};

/** No admitted key has such a name, so no refresh can find one. */
const cannotExist = (name: string): boolean =>
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  name === '' || Buffer.byteLength(name) > 1024 || /[\u0000-\u001f\u007f]/u.test(name);

interface Found {
  readonly keys: readonly PublishedKey[];
  readonly form: 'jwk' | 'pem';
}

/** Looks a name up as it stands; a name that nothing has and that ends in `.pem` asks for the PEM of the rest. */
const lookUp = (set: SetSnapshot, name: string): Found | undefined => {
  const keys = set.byName.get(name);
  if (keys !== undefined) return { keys, form: 'jwk' };
  const stem = name.endsWith('.pem') ? set.byName.get(name.slice(0, -'.pem'.length)) : undefined;
  return stem === undefined ? undefined : { keys: stem, form: 'pem' };
};

const answerFound = (
  context: DocumentContext,
  found: Found & { set: SetSnapshot; query: string },
  request: FastifyRequest,
  reply: FastifyReply,
): void => {
  if (found.form === 'pem') {
    answerPemOf(context, { ...found, route: 'key' }, request, reply);
    return;
  }
  const keys = choose(found.keys, found.query);
  const [key] = keys;
  if (keys.length > 1) {
    refuseAmbiguous(context, keys, 'key', request, reply);
  } else if (key === undefined) {
    refuseUnknown(context, request, reply);
  } else {
    reply.hijack();
    context.documents.jwk(found.set, key, request.raw, reply.raw);
  }
};

const refuseUnknown = (context: DocumentContext, request: FastifyRequest, reply: FastifyReply): void =>
  context.refusals.refuse(request, reply, 'unknown_key', 'No published key of this set has this name.', {
    route: 'key',
  });

const answerAfterDemand = async (
  context: DocumentContext,
  set: SetSnapshot,
  asked: { name: string; query: string },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> => {
  const { name, query } = asked;
  const value = name.endsWith('.pem') ? name.slice(0, -'.pem'.length) : name;
  const keys = await demand(context, set, { by: 'kid', value });
  const now = latest(context, set);
  const form = value === name ? 'jwk' : 'pem';
  const found = lookUp(now, name) ?? (keys.length > 0 ? { keys, form } : undefined);
  if (found === undefined) refuseUnknown(context, request, reply);
  else answerFound(context, { ...found, set: now, query }, request, reply);
};

/** Answers with one key by its `kid` or thumbprint. An unknown name may wait for one bounded refresh. */
export const answerKey = (
  context: DocumentContext,
  target: KeyTarget,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> | undefined => {
  const { names, query } = target;
  const { refuse } = context.refusals;
  const set = context.keyring.current.sets.get(target.set);
  const [first] = names;
  if (set === undefined) {
    refuse(request, reply, 'unknown_set', 'No set has this name.', { route: 'key' });
    return undefined;
  }
  if (first === undefined) {
    refuse(request, reply, 'bad_request', 'Name the key: append /{kid} or ?kid={kid}.', { route: 'key' });
    return undefined;
  }
  for (const name of names) {
    const found = lookUp(set, name);
    if (found !== undefined) {
      answerFound(context, { ...found, set, query }, request, reply);
      return undefined;
    }
  }
  if (set.document === undefined) {
    refuseUnavailable(context, set, 'key', request, reply);
    return undefined;
  }
  if (cannotExist(first)) {
    refuseUnknown(context, request, reply);
    return undefined;
  }
  return answerAfterDemand(context, set, { name: first, query }, request, reply);
};
