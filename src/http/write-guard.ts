import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIPv6 } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Refusals } from './problem.ts';

/** An `onRequest` hook that lets only those through who may write. */
export type WriteGuard = (request: FastifyRequest, reply: FastifyReply, next: () => void) => void;

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** Whether only this machine can reach a listener on `host`. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

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
}): WriteGuard => {
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
  // Digests have one length, which is what timingSafeEqual needs.
  const expected = sha256(token);
  return (request, reply, next) => {
    const [, given] = /^bearer +(.+)$/iu.exec(request.headers.authorization ?? '') ?? [];
    if (given !== undefined && timingSafeEqual(sha256(given), expected)) {
      next();
      return;
    }
    const challenge = given === undefined ? 'Bearer' : 'Bearer error="invalid_token"';
    refusals.refuse(request, reply, 'unauthorized', 'Send the token of the ops listener as a bearer token.', {
      headers: { 'www-authenticate': challenge },
    });
  };
};
