import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger } from 'fastify';
import { isPolicy, type Accepted } from '../../../tokens/validation/outcome.ts';
import type { Policy } from '../../../tokens/validation/policy.ts';
import type { Validator } from '../../../tokens/validation/validator.ts';
import type { Attempt } from '../../exact.ts';
import { problem, type HttpErrorCode } from '../../problem.ts';
import type { RequestCounts } from '../../request-counts.ts';
import { parseTarget } from '../../target.ts';

/** What `/validate` works with. */
export interface ValidateOptions {
  readonly validator: Pick<Validator, 'validate'>;
  readonly counts: RequestCounts;
  readonly log: FastifyBaseLogger;
  readonly lifecycle: { readonly draining: boolean };
}

/** Bytes of a body that are read away; after more the connection ends with the answer. */
const drainLimit = 64 * 1024;

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
    const { url = '' } = request;
    if (!url.includes('/validate')) return false;
    const target = parseTarget(url);
    if (target === undefined || !/^\/validate(?:\/|$)/u.test(target.collapsed)) return false;
    drain(request, response);
    answer(options, target.query, request, response).catch((error: unknown) => {
      // Nothing about a token leads here; whatever it was, the request is not let through.
      log.error({ err: error }, 'a token could not be validated');
      refuse(options, response, 'invalid_token');
    });
    return true;
  };
};

/** The token of a request (RFC 6750 §2.1); empty without one. */
export const bearerToken = (request: IncomingMessage): string =>
  /^bearer +(.*)$/isu.exec(request.headers.authorization ?? '')?.[1]?.trim() ?? '';

/** What the query of a request demands beside validity. Each parameter may be repeated; `scope` may hold several words. */
export const policyOf = (query: string): Policy => {
  const parameters = new URLSearchParams(query);
  const words = (name: string): string[] => parameters.getAll(name).filter((each) => each !== '');
  return {
    audience: words('aud'),
    scope: words('scope').flatMap((each) => each.split(' ').filter((word) => word !== '')),
    group: words('group'),
  };
};

const answer = async (
  options: ValidateOptions,
  query: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const token = bearerToken(request);
  if (token === '') {
    refuse(options, response, 'unauthorized');
    return;
  }
  const outcome = await options.validator.validate(token, policyOf(query));
  if (!outcome.valid) {
    options.log.debug({ reason: outcome.reason, issuer: outcome.issuer }, 'token refused');
    refuse(options, response, isPolicy(outcome.reason) ? 'forbidden' : 'invalid_token');
    return;
  }
  const body = Buffer.from(JSON.stringify(claimsOf(outcome)));
  options.counts.bump('validation', 200);
  response.writeHead(200, {
    ...common(options),
    'content-type': 'application/json',
    'content-length': body.byteLength,
    ...identityHeaders(outcome),
  });
  response.end(body);
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

const refuse = (options: ValidateOptions, response: ServerResponse, code: keyof typeof sentences): void => {
  if (response.headersSent) return;
  const document = problem(code, sentences[code]);
  const body = Buffer.from(JSON.stringify(document));
  options.counts.bump('validation', document.status);
  response.writeHead(document.status, {
    ...common(options),
    'content-type': 'application/problem+json',
    'content-length': body.byteLength,
    'www-authenticate': challenges[code],
  });
  response.end(body);
};

const common = ({ lifecycle }: ValidateOptions): Record<string, string> => ({
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  ...(lifecycle.draining ? { connection: 'close' } : {}),
});

/** Reads a body away without holding it, so that the connection can be used again; a long one ends it. */
const drain = (request: IncomingMessage, response: ServerResponse): void => {
  let read = 0;
  request.on('data', (chunk: Buffer) => {
    read += chunk.byteLength;
    if (read <= drainLimit) return;
    request.pause();
    if (!response.headersSent) response.setHeader('connection', 'close');
    response.once('finish', () => request.socket.destroySoon());
    if (response.writableFinished) request.socket.destroySoon();
  });
  request.on('error', () => undefined);
};
