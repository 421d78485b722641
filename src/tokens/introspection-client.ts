import type { Clock } from '../clock.ts';
import { readSecretFile } from '../sources/secret-file.ts';
import { failureOfStatus } from '../sources/upstream/failure.ts';
import {
  grantOf,
  longestAccessToken,
  refuseAccess,
  type AccessOutcome,
  type AccessRefusal,
  type AccessTokenJudge,
} from './access-token.ts';
import { Asker } from './asker.ts';
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
  readonly #asker: Asker;

  constructor(options: IntrospectionOptions) {
    this.#options = options;
    this.#asker = new Asker(options.clock, patience);
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
    const answer = await this.#ask(token, secret);
    if (typeof answer === 'string') return unavailable(answer);
    const { active, exp } = answer;
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
    return grantOf(answer, scope);
  }

  /** The members of the answer, or a sentence that says why it is none. */
  async #ask(token: string, secret: string): Promise<Members | string> {
    const { url, clientId } = this.#options;
    const credentials = Buffer.from(`${formEncoded(clientId)}:${formEncoded(secret)}`).toString('base64');
    const reply = await this.#asker.ask({
      url,
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${credentials}`,
      },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
    });
    if (!reply.ok) return `${reply.detail} (${reply.code})`;
    if (reply.status !== 200) {
      const { detail, code } = failureOfStatus(reply.status, undefined);
      return `${detail} (${code})`;
    }
    if (reply.type !== 'application/json') return 'the answer is not application/json';
    const read = readObject(reply.bytes);
    return read.ok ? read.members : 'the answer is not one JSON object';
  }
}
