import { METHODS } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { SetSnapshot } from '../../keyring/snapshot.ts';
import { documentMethods } from '../cors.ts';
import type { HttpErrorCode } from '../problem.ts';
import { longestTarget, parseTarget } from '../target.ts';
import type { DocumentContext } from './context.ts';
import { answerJwks } from './jwks.ts';
import { answerKey, keyTarget } from './keys.ts';
import type { KeyTarget } from './keys.ts';
import { answerPem, digestOf } from './pem.ts';

/** Why a target names no resource. */
type Nothing = 'nothing' | 'too_long' | 'malformed';

/** What a request target names. */
type Resource =
  | { readonly kind: 'jwks'; readonly set: SetSnapshot }
  | { readonly kind: 'pem'; readonly set: SetSnapshot; readonly name: string; readonly query: string }
  | { readonly kind: 'key'; readonly target: KeyTarget }
  | { readonly kind: Nothing };

/** Finds what a target names. */
const resolve = ({ keyring }: DocumentContext, url: string): Resource => {
  if (url.length > longestTarget) return { kind: 'too_long' };
  const target = parseTarget(url);
  if (target === undefined) return { kind: 'malformed' };
  const { documents, pemDirectories } = keyring.current;
  const { collapsed, query } = target;
  const set = documents.get(collapsed);
  if (set !== undefined) return { kind: 'jwks', set };
  if (collapsed.endsWith('.pem')) {
    const slash = collapsed.lastIndexOf('/');
    const directory = pemDirectories.get(collapsed.slice(0, slash));
    if (directory !== undefined) {
      return { kind: 'pem', set: directory, name: collapsed.slice(slash + 1), query };
    }
  }
  const key = keyTarget(target);
  return key === undefined ? { kind: 'nothing' } : { kind: 'key', target: key };
};

/** Code and sentence for what is not a resource. */
const refusalOf: Readonly<Record<Nothing, readonly [HttpErrorCode, string]>> = {
  too_long: ['uri_too_long', `The request target has more than ${longestTarget} characters.`],
  malformed: ['bad_request', 'The percent-encoding of the path is broken.'],
  nothing: ['not_found', 'Nothing is published at this path.'],
};

const answer = (
  context: DocumentContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> | undefined => {
  const resource = resolve(context, request.raw.url ?? '/');
  if (resource.kind === 'pem') return answerPem(context, resource.set, resource, request, reply);
  if (resource.kind === 'key') return answerKey(context, resource.target, request, reply);
  if (resource.kind === 'jwks') answerJwks(context, resource.set, request, reply);
  else context.refusals.refuse(request, reply, ...refusalOf[resource.kind]);
  return undefined;
};

/** Whether a resource is there for a method other than GET to be refused at. */
const exists = ({ keyring }: DocumentContext, resource: Resource): boolean => {
  if (resource.kind === 'pem') return digestOf(resource.name) !== undefined;
  if (resource.kind === 'key') return keyring.current.sets.has(resource.target.set);
  return resource.kind === 'jwks';
};

/** Whether a target names a document of the current snapshot, or a place where one may appear. */
export const isDocument = (context: DocumentContext, url: string): boolean =>
  exists(context, resolve(context, url));

const fixedMethods = 'GET, HEAD';

/** Refuses a method that nothing here supports: 405 where there is something, else 404. */
export const refuseMethod = (
  context: DocumentContext,
  fixedPaths: ReadonlySet<string>,
  request: FastifyRequest,
  reply: FastifyReply,
): void => {
  const { refuse } = context.refusals;
  const url = request.raw.url ?? '/';
  const resource = resolve(context, url);
  const isFixed = fixedPaths.has(url.split('?', 1)[0] ?? '');
  if (isFixed || exists(context, resource)) {
    const allow = isFixed ? fixedMethods : documentMethods;
    refuse(request, reply, 'method_not_allowed', `Use one of ${allow}.`, { headers: { allow } });
  } else {
    const kind = resource.kind === 'too_long' || resource.kind === 'malformed' ? resource.kind : 'nothing';
    refuse(request, reply, ...refusalOf[kind]);
  }
};

// QUERY exists on newer runtimes only; what is not listed here reaches the handler for what is not found.
const otherMethods = ['POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'QUERY'].filter((method) =>
  METHODS.includes(method),
);

/**
 * Every path that no fixed route has: the documents of the current snapshot.
 *
 * One wildcard route instead of one route per document, because a reload changes the paths and Fastify's routes are
 * fixed at start. `fixedPaths` are the fixed routes, which support no other methods either.
 */
export const registerDocuments = (
  app: FastifyInstance,
  context: DocumentContext,
  fixedPaths: ReadonlySet<string>,
): void => {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/*',
    handler: (request, reply) => answer(context, request, reply),
  });
  app.route({
    method: otherMethods,
    url: '/*',
    // Before the body is looked at, so that neither its type nor its size decides the answer.
    onRequest: (request, reply) => {
      refuseMethod(context, fixedPaths, request, reply);
    },
    handler: (request, reply) => refuseMethod(context, fixedPaths, request, reply),
  });
};
