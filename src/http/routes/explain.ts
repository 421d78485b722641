import type { FastifyPluginCallback, FastifyRequest } from 'fastify';
import { parseJson } from '../../jwk/json.ts';
import { isMembers } from '../../tokens/json-object.ts';
import type { Explainer } from '../../tokens/validation/explainer.ts';
import type { Refusals } from '../problem.ts';
import type { Guard } from '../write-guard.ts';
import { bearerToken, claimsOf, policyOf } from './validation/validate.ts';

/** What the explanation of tokens needs. */
export interface ExplainOptions {
  readonly explainer: Pick<Explainer, 'explain'>;
  readonly refusals: Refusals;
  readonly guard: Guard;
  /** Whether `Authorization` carries the token of the listener, so that the one to explain is in the body alone. */
  readonly hasToken: boolean;
}

/** A body larger than any token that is judged, so that a token that is too long is told so. */
const bodyLimit = 64 * 1024;

/**
 * `POST /validate?explain=1` on the ops listener: why a token is not valid, for people.
 *
 * The token is the body as it is, or `token` of a form or of a JSON object; `aud`, `scope` and `group` of the query demand
 * what they demand at `/validate`. Always 200, because the request itself is allowed; nothing of it is logged.
 */
export const explainRoute: FastifyPluginCallback<ExplainOptions> = (app, options, done) => {
  const { explainer, refusals, guard, hasToken } = options;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string', bodyLimit }, (_request, body, parsed) =>
    parsed(null, body),
  );
  app.post('/validate', { onRequest: guard, bodyLimit }, async (request, reply) => {
    const query = request.raw.url?.split('?')[1] ?? '';
    if (new URLSearchParams(query).get('explain') !== '1') {
      const detail = 'Add ?explain=1; tokens are validated on the public listener.';
      refusals.refuse(request, reply, 'bad_request', detail);
      return reply;
    }
    const inBody = tokenOf(request);
    const token = inBody === '' && !hasToken ? bearerToken(request.raw) : inBody;
    const outcome = await explainer.explain(token, policyOf(query));
    const { valid } = outcome;
    const answer = valid
      ? { valid, issuer: outcome.issuer, claims: claimsOf(outcome) }
      : { valid, reason: outcome.reason, hint: outcome.hint };
    return reply
      .headers({ 'content-type': 'application/json', 'cache-control': 'no-store' })
      .send(Buffer.from(`${JSON.stringify(answer)}\n`));
  });
  done();
};

/** The token in the body, whatever the type says: `curl -d` calls everything a form. */
const tokenOf = ({ body }: FastifyRequest): string => {
  const text = typeof body === 'string' ? body.trim() : '';
  if (text.startsWith('{')) {
    const json = parseJson(text);
    const token = json.ok && isMembers(json.value) ? json.value['token'] : undefined;
    return typeof token === 'string' ? token.trim() : '';
  }
  const form = /(?:^|&)token=/u.test(text) ? new URLSearchParams(text).get('token') : null;
  return (form ?? text).trim();
};
