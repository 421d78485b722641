import type { FastifyReply, FastifyRequest } from 'fastify';
import { isLoopback } from '../sources/loopback.ts';
import type { Refusals } from './problem.ts';
import { probePaths } from './routes/probes.ts';
import { sameSecret } from './same-secret.ts';

/** An `onRequest` hook that lets only those through who may. */
export type Guard = (request: FastifyRequest, reply: FastifyReply, next: () => void) => void;

/**
 * The guard of every write on the ops listener.
 *
 * With a token, the request must carry it (RFC 6750 §2.1). Without one, writes are for this machine only, and not for
 * its browsers: a page from anywhere can make them POST to loopback, but not without saying `Origin`.
 */
export const createWriteGuard = (options: {
  token: string | null;
  host: string;
  refusals: Refusals;
}): Guard => {
  const { token, host, refusals } = options;
  if (token === null) {
    const detail = isLoopback(host)
      ? 'Without a configured token, writes are not accepted from web pages.'
      : 'Without a configured token, writes are accepted on a loopback listener only.';
    return (request, reply, next) => {
      if (isLoopback(host) && request.headers.origin === undefined) next();
      else refusals.refuse(request, reply, 'forbidden', detail);
    };
  }
  return (request, reply, next) => {
    const [, given] = /^bearer +(.+)$/iu.exec(request.headers.authorization ?? '') ?? [];
    if (given !== undefined && sameSecret(given, token)) {
      next();
      return;
    }
    const challenge = given === undefined ? 'Bearer' : 'Bearer error="invalid_token"';
    refusals.refuse(request, reply, 'unauthorized', 'Send the token of the ops listener as a bearer token.', {
      headers: { 'www-authenticate': challenge },
    });
  };
};

const probes: ReadonlySet<string> = new Set(probePaths);

/**
 * The guard of everything on the ops listener but the probes, against pages of a name that was made to mean loopback (DNS
 * rebinding): their requests have no foreign `Origin`, but they name the wrong host.
 *
 * Only for a loopback listener without a token: elsewhere its own names are not known here. A request without `Host` is
 * no browser's.
 */
export const createHostGuard = (options: {
  token: string | null;
  host: string;
  refusals: Refusals;
}): Guard => {
  const { token, host, refusals } = options;
  if (token !== null || !isLoopback(host)) return (_request, _reply, next) => next();
  return (request, reply, next) => {
    const named = request.headers.host?.replace(/:\d*$/u, '');
    if (named === undefined || isLoopback(named) || probes.has(request.routeOptions.url ?? '')) {
      next();
      return;
    }
    const detail =
      'Without a configured token, this listener answers to localhost and loopback addresses only.';
    refusals.refuse(request, reply, 'forbidden', detail);
  };
};
