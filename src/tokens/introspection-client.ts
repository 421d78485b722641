import { request } from 'undici';
import type { Clock } from '../clock.ts';
import { readSecretFile } from '../sources/secret-file.ts';
import { readBody } from '../sources/upstream/body.ts';
import { within } from '../sources/upstream/deadline.ts';
import { failureOfStatus, type Failure } from '../sources/upstream/failure.ts';
import { headerText } from '../sources/upstream/freshness.ts';
import { Transport } from '../sources/upstream/transport.ts';
import {
  grantOf,
  longestAccessToken,
  refuseAccess,
  type AccessOutcome,
  type AccessRefusal,
  type AccessTokenJudge,
} from './access-token.ts';
import { readObject, type Members } from './json-object.ts';
import { isNumericDate } from './times.ts';

/** Where opaque access tokens are asked about, and as whom. */
export interface IntrospectionOptions {
  readonly clock: Clock;
  readonly url: string;
  readonly clientId: string;
  /** Holds the secret alone; read again for every question. */
  readonly clientSecretFile: string;
  /** The word of `scope` a client needs. */
  readonly scope: string;
}

/** Milliseconds over connection, headers and body together. */
const patience = 3000;
const largestAnswer = 64 * 1024;

const unavailable = (detail: string): AccessRefusal =>
  refuseAccess('unavailable', 'introspection_unavailable', `introspection: ${detail}`);

/** A text as it stands in a form, and in Basic credentials (RFC 6749 §2.3.1). */
const formEncoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);

/**
 * Judges opaque access tokens by asking the server that issued them (RFC 7662).
 *
 * Nothing is remembered, so a token that was withdrawn opens nothing from that moment on. Whatever is not a clear answer
 * within three seconds is no answer: the token may be good or bad, and the caller is told to come again. Loads undici:
 * import it only where introspection is configured.
 */
export class Introspection implements AccessTokenJudge {
  readonly #options: IntrospectionOptions;
  readonly #transport = new Transport({
    connectTimeout: patience,
    caFile: null,
    proxy: null,
    blockPrivateAddresses: false,
  });

  constructor(options: IntrospectionOptions) {
    this.#options = options;
  }

  async judge(token: string): Promise<AccessOutcome> {
    if (token === '' || Buffer.byteLength(token) > longestAccessToken) {
      const detail = `the access token is empty or longer than ${longestAccessToken} bytes`;
      return refuseAccess('invalid_token', 'malformed', detail);
    }
    const { clock, scope, clientSecretFile } = this.#options;
    const secret = await readSecretFile(clientSecretFile).catch(() => undefined);
    if (secret === undefined) {
      return unavailable(`clientSecretFile ${clientSecretFile} cannot be read, is empty or is too large`);
    }
    const answer = await within(
      this.#transport,
      { clock, ms: patience },
      async (dispatcher, signal) => await this.#ask(token, secret, { dispatcher, signal }),
    );
    if ('ok' in answer) return unavailable(`${answer.detail} (${answer.code})`);
    if ('nonsense' in answer) return unavailable(answer.nonsense);
    const { active, exp } = answer.members;
    if (typeof active !== 'boolean')
      return unavailable('the answer does not say whether the token is active');
    if (!active)
      return refuseAccess('invalid_token', 'inactive', 'its issuer says the access token is not active');
    // What a cache on the way kept beyond the end of the token.
    if (isNumericDate(exp) && exp * 1000 <= clock.wall()) {
      return refuseAccess(
        'invalid_token',
        'expired',
        'exp of the active access token is past; compare the clocks',
      );
    }
    return grantOf(answer.members, scope);
  }

  async #ask(
    token: string,
    secret: string,
    route: Pick<Parameters<typeof request>[1] & object, 'dispatcher' | 'signal'>,
  ): Promise<{ readonly members: Members } | { readonly nonsense: string } | Failure> {
    const { url, clientId } = this.#options;
    const credentials = Buffer.from(`${formEncoded(clientId)}:${formEncoded(secret)}`).toString('base64');
    const response = await request(url, {
      ...route,
      method: 'POST',
      headers: {
        accept: 'application/json',
        'accept-encoding': 'identity',
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${credentials}`,
      },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    // An error of a body that is thrown away must not become an unhandled event.
    response.body.on('error', () => undefined);
    if (response.statusCode !== 200) return failureOfStatus(response.statusCode, undefined);
    const type = headerText(response.headers, 'content-type').split(';', 1)[0]?.trim().toLowerCase();
    if (type !== 'application/json') return { nonsense: 'the answer is not application/json' };
    const body = await readBody(response, largestAnswer, route.signal as AbortSignal);
    if (!body.ok) return body;
    const read = readObject(body.bytes);
    return read.ok ? { members: read.members } : { nonsense: 'the answer is not one JSON object' };
  }
}
