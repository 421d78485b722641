import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isUndecided } from '../../../tokens/validation/outcome.ts';
import { noPolicy } from '../../../tokens/validation/policy.ts';
import type { Validator } from '../../../tokens/validation/validator.ts';
import type { RequestCounts } from '../../request-counts.ts';
import { sameSecret } from '../../same-secret.ts';
import { claimsOf } from './validate.ts';

/** What `/introspect` works with. */
export interface IntrospectOptions {
  readonly validator: Pick<Validator, 'validate'>;
  readonly counts: RequestCounts;
  /** The secret of a client; undefined for one that may not ask. Read anew each time, so that a new secret counts at once. */
  readonly secretOf: (client: string) => Promise<string | undefined>;
}

/** Bytes of a body with a token of 16 KiB in it, every character percent-encoded. */
export const tokenBodyLimit = 64 * 1024;

/** `POST /introspect` (RFC 7662), for clients that authenticate with a secret. */
export const registerIntrospect = (app: FastifyInstance, options: IntrospectOptions): void => {
  const { validator, counts, secretOf } = options;
  const send = (reply: FastifyReply, status: number, body: object): FastifyReply => {
    counts.bump('validation', status);
    return reply
      .code(status)
      .headers({ 'content-type': 'application/json', 'cache-control': 'no-store' })
      .send(Buffer.from(JSON.stringify(body)));
  };
  const badRequest = (reply: FastifyReply, description: string): FastifyReply =>
    send(reply, 400, { error: 'invalid_request', error_description: description });

  app.post('/introspect', { bodyLimit: tokenBodyLimit }, async (request, reply) => {
    const form = request.body;
    if (!(form instanceof URLSearchParams)) return badRequest(reply, 'send the token in a form');
    if (!(await isAuthenticated(request, form, secretOf))) {
      // RFC 6749 §5.2: the scheme the client used, and Basic for one that used none.
      void reply.header('www-authenticate', 'Basic realm="jwksd"');
      return send(reply, 401, { error: 'invalid_client' });
    }
    const [token, ...more] = form.getAll('token');
    if (token === undefined || token === '' || more.length > 0) {
      return badRequest(reply, 'send one parameter token');
    }
    const outcome = await validator.validate(token, noPolicy);
    if (outcome.valid) return send(reply, 200, { ...claimsOf(outcome), active: true });
    if (isUndecided(outcome.reason)) {
      void reply.header('retry-after', '5');
      return send(reply, 503, { error: 'temporarily_unavailable' });
    }
    return send(reply, 200, { active: false });
  });
};

/** Basic credentials (RFC 6749 §2.3.1), or `client_id` and `client_secret` in the form; never both. */
const isAuthenticated = async (
  request: FastifyRequest,
  form: URLSearchParams,
  secretOf: IntrospectOptions['secretOf'],
): Promise<boolean> => {
  const inForm = [form.get('client_id') ?? '', form.get('client_secret') ?? ''] as const;
  const basic = basicCredentials(request.headers.authorization);
  if (request.headers.authorization !== undefined && (basic === undefined || form.has('client_secret'))) {
    return false;
  }
  const [client, given] = basic ?? inForm;
  const secret = await secretOf(client);
  // Compared also for an unknown client, which cannot be told from a known one by the time it takes.
  const same = sameSecret(given, secret ?? '');
  return same && secret !== undefined && secret !== '';
};

const basicCredentials = (header: string | undefined): readonly [string, string] | undefined => {
  const encoded = /^basic +([A-Za-z0-9+/]+=*)$/iu.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) return undefined;
  try {
    const [client, secret] = [text.slice(0, colon), text.slice(colon + 1)].map((each) =>
      decodeURIComponent(each.replaceAll('+', ' ')),
    );
    return [client ?? '', secret ?? ''];
  } catch {
    return undefined;
  }
};
