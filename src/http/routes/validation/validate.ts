import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger } from 'fastify';
import { isPolicy, type Accepted } from '../../../tokens/validation/outcome.ts';
import type { Policy } from '../../../tokens/validation/policy.ts';
import type { Validator } from '../../../tokens/validation/validator.ts';
import type { Attempt } from '../../exact.ts';
import { problem, type HttpErrorCode } from '../../problem.ts';
import type { RequestCounts } from '../../request-counts.ts';

/** What `/validate` works with. */
export interface ValidateOptions {
  readonly validator: Pick<Validator, 'validate'>;
  readonly counts: RequestCounts;
  readonly log: FastifyBaseLogger;
  readonly lifecycle: { readonly draining: boolean };
}

/**
 * A target that is answered here, in origin or absolute form, and its query.
 *
 * As sent, and not percent-decoded: what Envoy appends is the path of somebody else's request, which need not even be
 * well encoded.
 */
const ownTarget = /^(?:[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/?#]*)?\/+validate(?:\/[^?#]*)?(?:\?([^#]*))?(?:#|$)/u;

/** Bytes of a body that are read away; a longer one ends the connection. */
const drainLimit = 64 * 1024;

/** Milliseconds a longer body is read for after the answer. */
const linger = 1000;

/** Longest `X-Auth-Groups`; a longer list is in the body alone, because proxies drop answers with large headers. */
const longestHeader = 8 * 1024;

/**
 * `/validate` and everything below it, by any method: 200 for a token that is valid here, 401 for one that is not, 403
 * for one that is valid and not enough.
 *
 * In front of Fastify, because a gateway asks with the method, the body and the type of whatever request it guards, and
 * all of that must make no difference.
 */
export const createValidateAttempt = (options: ValidateOptions): Attempt => {
  const { log } = options;
  return (request, response) => {
    const target = ownTarget.exec(request.url ?? '');
    if (target === null) return false;
    request.on('error', () => undefined).resume();
    const exchange = { request, response };
    answer(options, target[1] ?? '', exchange).catch((error: unknown) => {
      // Nothing about a token leads here; whatever it was, the request is not let through.
      log.error({ err: error }, 'a token could not be validated');
      refuse(options, exchange, 'invalid_token');
    });
    return true;
  };
};

/** The token of a request (RFC 6750 §2.1); empty without one. */
export const bearerToken = ({ headers }: IncomingMessage): string =>
  /^bearer +(.*)$/isu.exec(headers.authorization ?? '')?.[1] ?? '';

/** Whether a request has two `Authorization` lines: nobody can tell which of them the guarded service will read. */
const isAmbiguous = ({ rawHeaders }: IncomingMessage): boolean =>
  rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === 'authorization').length > 1;

/**
 * What the query of a request demands beside validity. Each parameter may be repeated; `scope` may hold several words. An
 * empty one demands what no token has: it is a gateway's variable without a value, and must not open the gate.
 */
export const policyOf = (query: string): Policy => {
  const parameters = new URLSearchParams(query);
  const words = (name: string): string[] => parameters.getAll(name);
  return {
    audience: words('aud'),
    scope: words('scope').flatMap((each) => each.trim().split(/ +/u)),
    group: words('group'),
  };
};

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

const answer = async (options: ValidateOptions, query: string, exchange: Exchange): Promise<void> => {
  const token = bearerToken(exchange.request);
  if (token === '') {
    refuse(options, exchange, 'unauthorized');
    return;
  }
  if (isAmbiguous(exchange.request)) {
    refuse(options, exchange, 'invalid_token');
    return;
  }
  const outcome = await options.validator.validate(token, policyOf(query));
  if (!outcome.valid) {
    options.log.debug({ reason: outcome.reason, issuer: outcome.issuer }, 'token refused');
    refuse(options, exchange, isPolicy(outcome.reason) ? 'forbidden' : 'invalid_token');
    return;
  }
  send(options, exchange, 200, 'application/json', claimsOf(outcome), identityHeaders(outcome));
};

/** The claims of a token as callers get them: those of the token, with the groups from wherever they came. */
export const claimsOf = ({ claims, sub, iss, groups }: Accepted): object => ({
  sub,
  ...(iss === undefined ? {} : { iss }),
  groups,
  ...Object.fromEntries(
    Object.entries(claims).filter(([name]) => name !== 'sub' && name !== 'iss' && name !== 'groups'),
  ),
});

/** Whoever reads them decodes them: what is no visible ASCII is percent-encoded, and so are `%` and, in lists, `,`. */
const headerText = (text: string, more = ''): string =>
  [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return byte > 0x20 && byte < 0x7f && character !== '%' && !more.includes(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');

const identityHeaders = ({ sub, iss, groups }: Accepted): Record<string, string> => {
  const list = groups.map((group) => headerText(group, ',')).join(',');
  return {
    'x-auth-subject': headerText(sub),
    ...(iss === undefined ? {} : { 'x-auth-issuer': headerText(iss) }),
    ...(list.length > longestHeader ? {} : { 'x-auth-groups': list }),
  };
};

/** Sentences that say nothing of the token or its holder. */
const sentences = {
  unauthorized: 'Send an access token as Authorization: Bearer.',
  invalid_token: 'The access token is not valid here.',
  forbidden: 'The access token is valid, and does not allow this.',
} as const satisfies Partial<Record<HttpErrorCode, string>>;

const challenges = {
  unauthorized: 'Bearer',
  invalid_token: 'Bearer error="invalid_token"',
  forbidden: 'Bearer error="insufficient_scope"',
} as const;

const refuse = (options: ValidateOptions, exchange: Exchange, code: keyof typeof sentences): void => {
  if (exchange.response.headersSent) return;
  const document = problem(code, sentences[code]);
  send(options, exchange, document.status, 'application/problem+json', document, {
    'www-authenticate': challenges[code],
  });
};

/** Whether the body of a request may go on for longer than anybody wants to read it. */
const isTooLong = ({ complete, headers }: IncomingMessage): boolean =>
  !complete &&
  (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > drainLimit);

/** Writes an answer. Bodies are read away unseen, so that the connection can be used again; a long one ends it. */
const send = (
  { counts, lifecycle }: ValidateOptions,
  { request, response }: Exchange,
  status: number,
  type: string,
  document: object,
  headers: Record<string, string>,
): void => {
  const body = Buffer.from(JSON.stringify(document));
  const closes = isTooLong(request);
  counts.bump('validation', status);
  response.writeHead(status, {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-type': type,
    'content-length': body.byteLength,
    ...headers,
    ...(closes || lifecycle.draining ? { connection: 'close' } : {}),
  });
  if (!closes) {
    response.end(body);
    return;
  }
  // Node closes the connection as soon as the answer ends. With a body still coming in that would be a reset, and the
  // client might lose the answer.
  response.write(body);
  const end = (): void => void response.end();
  request.once('end', end);
  setTimeout(end, linger).unref();
};
