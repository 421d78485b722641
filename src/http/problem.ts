import { STATUS_CODES } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, FastifyBaseLogger } from 'fastify';
import { JwksdError, errors } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import type { Cors } from './cors.ts';
import type { RequestCounts, RouteCode } from './request-counts.ts';

/** Codes of the catalogue that have an HTTP status. */
export type HttpErrorCode = {
  [Code in ErrorCode]: (typeof errors)[Code] extends { status: number } ? Code : never;
}[ErrorCode];

/** A problem document (RFC 9457). */
export interface Problem {
  /** `urn:jwksd:problem:` and the code. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: HttpErrorCode;
  /** The request as the log names it; only where there is something to find in the log. */
  readonly instance?: string;
}

/** The problem document of a code. */
export const problem = (code: HttpErrorCode, detail: string, instance?: string): Problem => {
  const { status, title } = errors[code];
  const type = `urn:jwksd:problem:${code}`;
  return { type, title, status, detail, code, ...(instance === undefined ? {} : { instance }) };
};

/** Seconds after which a client should ask again when nothing is loaded. */
const retryAfter = 2;

/** How a listener refuses. */
export interface Refusals {
  /**
   * Answers with a problem document, or below a path that ends in `.pem` with a line of text, because those clients
   * read the body as a key or not at all.
   */
  readonly refuse: (
    request: FastifyRequest,
    reply: FastifyReply,
    code: HttpErrorCode,
    detail: string,
    more?: { route?: RouteCode; headers?: Readonly<Record<string, string>>; instance?: string },
  ) => void;
  /** Turns what was thrown into a refusal; what is not a caller's mistake is logged once and told as `internal`. */
  readonly refuseError: (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;
}

/** The path of a request target, without its query. */
const pathOf = (target: string): string => target.split(/[?#]/u, 1)[0] ?? '';

const byStatus: Readonly<Record<number, HttpErrorCode>> = {
  400: 'bad_request',
  404: 'not_found',
  408: 'request_timeout',
  413: 'payload_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
};

const isHttp = (code: ErrorCode): code is HttpErrorCode => 'status' in errors[code];

/** What a caller did wrong, or undefined when the mistake is ours. */
const callersMistake = (
  error: unknown,
): { readonly code: HttpErrorCode; readonly detail: string } | undefined => {
  if (error instanceof JwksdError) {
    if (!isHttp(error.code) || errors[error.code].status >= 500) return undefined;
    return { code: error.code, detail: error.message };
  }
  if (!(error instanceof Error)) return undefined;
  const { statusCode, validation } = error as Partial<FastifyError>;
  const code = byStatus[validation === undefined ? (statusCode ?? 500) : 400];
  if (code === undefined) return undefined;
  // Fastify's own messages may repeat what the caller sent; the sentence of the catalogue does not.
  return { code, detail: validation === undefined ? `${errors[code].title}.` : `${error.message}.` };
};

/** The refusals of one listener. `cors` is absent where no browser should read the answers. */
export const createRefusals = (options: {
  log: FastifyBaseLogger;
  cors?: Cors;
  counts?: RequestCounts;
}): Refusals => {
  const { log, cors, counts } = options;
  const refuse: Refusals['refuse'] = (request, reply, code, detail, more = {}) => {
    const { status } = errors[code];
    counts?.bump(more.route ?? 'other', status);
    // A refused preflight is a path that is not for scripts: nothing is allowed there.
    if (cors !== undefined && request.method !== 'OPTIONS') {
      const lines = [...cors.constant, ...cors.lines(request.headers.origin)];
      for (let at = 0; at + 1 < lines.length; at += 2) reply.header(lines[at] ?? '', lines[at + 1]);
      if (cors.vary.length > 0) reply.header('vary', cors.vary.join(', '));
    }
    if (status === 503) reply.header('retry-after', String(retryAfter));
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...more.headers });
    const text = pathOf(request.raw.url ?? '').endsWith('.pem');
    const body = text ? `${detail}\n` : JSON.stringify(problem(code, detail, more.instance));
    void reply
      .code(status)
      .type(text ? 'text/plain; charset=utf-8' : 'application/problem+json')
      .send(Buffer.from(body));
  };
  const refuseError: Refusals['refuseError'] = (error, request, reply) => {
    const mistake = callersMistake(error);
    if (mistake !== undefined) {
      refuse(request, reply, mistake.code, mistake.detail);
      return;
    }
    log.error({ err: error, reqId: request.id, method: request.method }, 'a request failed');
    if (error instanceof JwksdError && isHttp(error.code) && errors[error.code].status === 503) {
      refuse(request, reply, error.code, `${errors[error.code].title}.`);
      return;
    }
    refuse(request, reply, 'internal', 'The log of the server has the details.', {
      instance: `urn:jwksd:request:${request.id}`,
    });
  };
  return { refuse, refuseError };
};

/** Gives every answer that Fastify writes the headers all answers have, and every failure its problem document. */
export const registerDefaults = (
  app: FastifyInstance,
  options: {
    refusals: Refusals;
    lifecycle: { readonly draining: boolean };
    notFound: (request: FastifyRequest, reply: FastifyReply) => void;
  },
): void => {
  const { refusals, lifecycle, notFound } = options;
  app.addHook('onSend', (_request, reply, payload, next) => {
    reply.header('x-content-type-options', 'nosniff');
    if (lifecycle.draining) reply.header('connection', 'close');
    next(null, payload);
  });
  app.setErrorHandler((error, request, reply) => refusals.refuseError(error, request, reply));
  app.setNotFoundHandler(notFound);
};

const closingHeaders = (body: string): Readonly<Record<string, string>> => ({
  'Content-Type': 'application/problem+json',
  'Content-Length': String(Buffer.byteLength(body)),
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  Connection: 'close',
});

/** A whole HTTP/1.1 response for a connection whose request never reached Fastify. */
export const rawProblem = (code: HttpErrorCode, detail: string): string => {
  const body = JSON.stringify(problem(code, detail));
  const { status } = errors[code];
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    ...Object.entries(closingHeaders(body)).map(([name, value]) => `${name}: ${value}`),
    `Date: ${new Date().toUTCString()}`,
    '',
    body,
  ].join('\r\n');
};

/** The same as an answer of Node's, for a request that is not given to Fastify. */
export const writeProblem = (response: ServerResponse, code: HttpErrorCode, detail: string): void => {
  const body = JSON.stringify(problem(code, detail));
  response.writeHead(errors[code].status, closingHeaders(body)).end(body);
};
