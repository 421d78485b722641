/**
 * What a failed attempt is retried for. `cycle`: again after a short pause, up to three attempts. `once`: one more
 * attempt without validators, because a cache on the way may hold a broken copy. `later`: not before the next cycle.
 */
type Retry = 'cycle' | 'once' | 'later';

/** Every way an attempt can fail, and whether trying again at once can help. The codes are labels in logs and metrics. */
const retries = {
  dns: 'cycle',
  connect: 'cycle',
  reset: 'cycle',
  timeout: 'cycle',
  http_5xx: 'cycle',
  http_429: 'later',
  tls_cert: 'later',
  http_401: 'later',
  http_403: 'later',
  http_404: 'later',
  http_410: 'later',
  http_other: 'later',
  redirect_blocked: 'later',
  address_blocked: 'later',
  too_large: 'later',
  decompress: 'later',
  token_file: 'later',
  ca_file: 'later',
  not_utf8: 'once',
  not_json: 'once',
  not_jwks: 'once',
  html: 'once',
  empty_set: 'once',
  no_usable_keys: 'once',
  discovery_fetch: 'cycle',
  discovery_json: 'once',
  discovery_issuer: 'once',
  discovery_no_jwks_uri: 'once',
} as const satisfies Record<string, Retry>;

/** A code of an attempt that failed. */
export type FailureCode = keyof typeof retries;

/** A failed attempt, as a value. */
export interface Failure {
  readonly ok: false;
  readonly code: FailureCode;
  /** A sentence for people: no body, no query string, no user info. */
  readonly detail: string;
  readonly retry: Retry;
  /** Milliseconds the upstream asked to be left alone (RFC 9110 §10.2.3). */
  readonly retryAfter?: number;
}

/** Makes a failure; its class decides whether it is retried, unless a cause hands its own down. */
export const failure = (code: FailureCode, detail: string, cause?: Failure): Failure => ({
  ok: false,
  code,
  detail,
  retry: cause?.retry ?? retries[code],
  ...(cause?.retryAfter === undefined ? {} : { retryAfter: cause.retryAfter }),
});

const byErrno: Record<string, FailureCode> = {
  ENOTFOUND: 'dns',
  ECONNREFUSED: 'connect',
  EHOSTUNREACH: 'connect',
  ENETUNREACH: 'connect',
  EHOSTDOWN: 'connect',
  EADDRNOTAVAIL: 'connect',
  EACCES: 'connect',
  EPERM: 'connect',
  EMFILE: 'connect',
  ENFILE: 'connect',
  // A proxy that refuses the tunnel.
  UND_ERR_ABORTED: 'connect',
  ETIMEDOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
  // A body that ends early, or whose length is not what was announced or no length at all.
  HPE_INVALID_EOF_STATE: 'reset',
  HPE_INVALID_CHUNK_SIZE: 'reset',
  HPE_INVALID_CONTENT_LENGTH: 'reset',
  HPE_UNEXPECTED_CONTENT_LENGTH: 'reset',
  UND_ERR_SOCKET: 'reset',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'reset',
  UND_ERR_HEADERS_OVERFLOW: 'too_large',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'too_large',
  EPROTO: 'tls_cert',
};

const tlsCode =
  /^(ERR_SSL_|ERR_TLS_|ERR_OSSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH)/u;

const errorCode = (error: unknown): string => {
  if (!(error instanceof Error)) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  // Happy eyeballs reports one error per address.
  if (error instanceof AggregateError) return errorCode(error.errors[0]);
  return error.cause === undefined ? '' : errorCode(error.cause);
};

/** undici names a parser's error by its message alone; these are about the announced length or the size of a chunk. */
const isBadLength = (error: unknown): boolean =>
  error instanceof Error &&
  error.name === 'HTTPParserError' &&
  /\((?:[^()]*\b)?(?:chunk|content-length)\b/iu.test(error.message);

/** The failure behind an exception of the network stack. */
export const failureOf = (error: unknown): Failure => {
  const code = errorCode(error);
  if (code === 'ERR_JWKSD_ADDRESS') return failure('address_blocked', (error as Error).message);
  const known = code.startsWith('EAI_') ? 'dns' : byErrno[code];
  if (known !== undefined) return failure(known, `the connection failed (${code})`);
  if (isBadLength(error)) return failure('reset', 'the answer has no valid length');
  if (tlsCode.test(code)) return failure('tls_cert', `the TLS certificate was not accepted (${code})`);
  return failure('http_other', `the answer is not usable HTTP${code === '' ? '' : ` (${code})`}`);
};

/** The failure behind a status other than 200, or than 304 to a conditional request. */
export const failureOfStatus = (status: number, retryAfter: number | undefined): Failure => {
  const detail = `the upstream answered ${status}`;
  // An upstream that says when to come back is not asked again before that.
  const after =
    retryAfter === undefined || (status !== 429 && status !== 503)
      ? {}
      : ({ retryAfter, retry: 'later' } as const);
  if (status >= 500 || status === 408 || status === 425) return { ...failure('http_5xx', detail), ...after };
  if (status === 429) return { ...failure('http_429', detail), ...after };
  const named: Record<number, FailureCode> = {
    401: 'http_401',
    403: 'http_403',
    404: 'http_404',
    410: 'http_410',
  };
  return failure(named[status] ?? 'http_other', detail);
};
