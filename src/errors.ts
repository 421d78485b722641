/**
 * Every refusal jwksd can state, by its stable code.
 *
 * `status` is the HTTP status of the problem document, `exit` the exit code of the command line; an entry has the one
 * its surface uses. docs/http-api.md lists the HTTP half and a test compares the two.
 */
export const errors = {
  bad_request: { status: 400, title: 'The request cannot be understood' },
  unauthorized: { status: 401, title: 'A bearer token is needed' },
  invalid_token: { status: 401, title: 'The access token is not valid' },
  forbidden: { status: 403, title: 'This is not allowed here' },
  not_found: { status: 404, title: 'There is nothing here' },
  unknown_set: { status: 404, title: 'No set has this name' },
  unknown_source: { status: 404, title: 'No source has this name' },
  unknown_key: { status: 404, title: 'No published key has this name' },
  method_not_allowed: { status: 405, title: 'This resource does not support the method' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  ambiguous_key: { status: 409, title: 'This name stands for more than one key' },
  payload_too_large: { status: 413, title: 'The request body is too large' },
  uri_too_long: { status: 414, title: 'The request target is too long' },
  unsupported_media_type: { status: 415, title: 'The media type of the body is not supported' },
  headers_too_large: { status: 431, title: 'The request header is too large' },
  internal: { status: 500, title: 'Something failed inside jwksd' },
  nothing_loaded: { status: 503, title: 'No keys are loaded yet' },
  not_stored: { status: 503, title: 'The change could not be stored' },
  store_unavailable: { status: 503, title: 'Registrations cannot be stored or read at the moment' },
  set_refused: { status: 503, title: 'This set cannot be published for its clients' },
  usage: { exit: 2, title: 'Wrong usage' },
  config_invalid: { exit: 2, title: 'The configuration is not valid' },
  deny_list_damaged: { exit: 2, title: 'The deny list cannot be read' },
  failed: { exit: 1, title: 'The command failed' },
  // What shells say of a program that Ctrl-C ended.
  cancelled: { exit: 130, title: 'The user cancelled the command' },
} as const satisfies Record<string, { title: string } & ({ status: number } | { exit: 1 | 2 | 130 })>;

/** A code of the catalogue. */
export type ErrorCode = keyof typeof errors;

/**
 * The one error class: a stable code for programs, a sentence for people, and the cause for the log.
 *
 * Expected outcomes (a rejected key, an invalid token) are values and never become one of these.
 */
export class JwksdError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, detail: string, options?: { cause?: unknown }) {
    super(detail, options);
    this.name = 'JwksdError';
    this.code = code;
  }
}
