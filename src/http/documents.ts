import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PublishedKey, Rendition, SetDocument, SetSnapshot } from '../keyring/snapshot.ts';
import { isNotModified } from './conditional.ts';
import type { Cors, HeaderLines } from './cors.ts';
import type { RequestCounts, RouteCode } from './request-counts.ts';
import { chooseCoding, prefers } from './negotiate.ts';
import type { Coding } from './negotiate.ts';

/** Writes the documents of a set: the only place where a rendered body meets a socket. */
export interface Documents {
  /** The JWK Set, in the type and coding the request prefers. */
  jwkSet(set: SetSnapshot, document: SetDocument, request: IncomingMessage, response: ServerResponse): void;
  /** One key as a JWK. */
  jwk(set: SetSnapshot, key: PublishedKey, request: IncomingMessage, response: ServerResponse): void;
  /** One key as PEM, in the type the request prefers; `route` says which path it was asked for by. */
  pem(
    set: SetSnapshot,
    key: PublishedKey,
    pem: Rendition,
    route: RouteCode,
    request: IncomingMessage,
    response: ServerResponse,
  ): void;
}

/** A body with the header lines of its 200 and its 304, written out once. */
interface Answer {
  readonly body: Buffer;
  readonly etag: string;
  readonly lastModified: number;
  readonly ok: HeaderLines;
  readonly notModified: HeaderLines;
}

/** Every answer prepared so far for a set. */
interface SetAnswers {
  readonly json: Map<Coding, Answer>;
  readonly jwkSet: Map<Coding, Answer>;
  /** By media type. */
  readonly ofKey: Map<PublishedKey, Map<string, Answer>>;
}

const json = 'application/json';
const jwkSetType = 'application/jwk-set+json';
const jwkType = 'application/jwk+json';
const certificateType = 'application/x-x509-ca-cert';
const certificateTypeUtf8 = `${certificateType}; charset=utf-8`;
const pemFileType = 'application/x-pem-file';

/** What decides the header lines besides the set. */
interface AnswerOptions {
  readonly rendition: Rendition;
  readonly type: string;
  readonly coding: Coding;
  readonly vary: readonly string[];
}

/**
 * Header lines in the order given, without those that have no value.
 *
 * Names are in lower case because Node lowers each of them for every answer: capitals cost a tenth of the throughput.
 */
const headerLines = (headers: Readonly<Record<string, string>>): string[] =>
  Object.entries(headers)
    .filter(([, value]) => value !== '')
    .flat();

const prepare = (set: SetSnapshot, cors: Cors, options: AnswerOptions): Answer => {
  const { rendition, type, coding } = options;
  const vary = [...options.vary, ...cors.vary];
  const notModified = headerLines({
    etag: rendition.etag,
    'last-modified': new Date(set.lastModified).toUTCString(),
    'cache-control': set.cacheControl,
    vary: vary.join(', '),
    'jwks-degraded': set.missing.join(', '),
    'x-content-type-options': 'nosniff',
  }).concat(cors.constant);
  const ok = headerLines({
    'content-type': type,
    'content-length': String(rendition.body.byteLength),
    'content-encoding': coding === 'identity' ? '' : coding,
  }).concat(notModified);
  return { body: rendition.body, etag: rendition.etag, lastModified: set.lastModified, ok, notModified };
};

/** The entry of a map, made on first use. */
const entry = <Name, Value>(map: Map<Name, Value>, name: Name, make: () => Value): Value => {
  const known = map.get(name);
  if (known !== undefined) return known;
  const made = make();
  map.set(name, made);
  return made;
};

/**
 * The document writer of a listener.
 *
 * Header lines are prepared once per set and snapshot; a request costs map lookups, one comparison with what the client
 * holds, and one write. The reply is hijacked because Fastify's own way to send costs a third of the throughput.
 */
export const createDocuments = (options: {
  cors: Cors;
  counts: RequestCounts;
  lifecycle: { readonly draining: boolean };
}): Documents => {
  const { cors, counts, lifecycle } = options;
  // A snapshot that is no longer current takes its answers with it.
  const prepared = new WeakMap<SetSnapshot, SetAnswers>();
  const answersOf = (set: SetSnapshot): SetAnswers => {
    const known = prepared.get(set);
    if (known !== undefined) return known;
    const made = { json: new Map(), jwkSet: new Map(), ofKey: new Map() };
    prepared.set(set, made);
    return made;
  };
  const answersOfKey = (set: SetSnapshot, key: PublishedKey): Map<string, Answer> =>
    entry(answersOf(set).ofKey, key, () => new Map<string, Answer>());

  const write = (
    route: RouteCode,
    answer: Answer,
    request: IncomingMessage,
    response: ServerResponse,
  ): void => {
    const { headers, method } = request;
    const status = isNotModified(headers, answer.etag, answer.lastModified) ? 304 : 200;
    const own = cors.lines(headers.origin);
    let lines = status === 304 ? answer.notModified : answer.ok;
    if (own.length > 0) lines = [...lines, ...own];
    if (lifecycle.draining) lines = [...lines, 'connection', 'close'];
    counts.bump(route, status);
    // The type asks for a mutable array; Node only reads it.
    response.writeHead(status, lines as string[]);
    if (status === 304 || method === 'HEAD') response.end();
    else response.end(answer.body);
  };

  return {
    jwkSet(set, document, request, response) {
      const { accept, 'accept-encoding': acceptEncoding } = request.headers;
      const coding = chooseCoding(acceptEncoding, document);
      const named = prefers(accept, jwkSetType, json);
      const answers = answersOf(set);
      const answer = entry(named ? answers.jwkSet : answers.json, coding, () =>
        prepare(set, cors, {
          rendition: document[coding] ?? document.identity,
          type: named ? jwkSetType : json,
          coding,
          vary: ['Accept', 'Accept-Encoding'],
        }),
      );
      write('jwks', answer, request, response);
    },
    jwk(set, key, request, response) {
      const answer = entry(answersOfKey(set, key), jwkType, () =>
        prepare(set, cors, {
          rendition: key.jwk,
          type: jwkType,
          coding: 'identity',
          vary: [],
        }),
      );
      write('key', answer, request, response);
    },
    pem(set, key, pem, route, request, response) {
      const type = prefers(request.headers.accept, pemFileType, certificateType)
        ? pemFileType
        : certificateTypeUtf8;
      const answer = entry(answersOfKey(set, key), type, () =>
        prepare(set, cors, { rendition: pem, type, coding: 'identity', vary: ['Accept'] }),
      );
      write(route, answer, request, response);
    },
  };
};
