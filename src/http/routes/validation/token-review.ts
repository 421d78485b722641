import type { FastifyInstance } from 'fastify';
import { parseJson } from '../../../jwk/json.ts';
import { audienceOf } from '../../../tokens/validation/issuers.ts';
import { isUndecided } from '../../../tokens/validation/outcome.ts';
import { noPolicy } from '../../../tokens/validation/policy.ts';
import type { Validator } from '../../../tokens/validation/validator.ts';
import type { Refusals } from '../../problem.ts';
import type { RequestCounts } from '../../request-counts.ts';
import { tokenBodyLimit } from './introspect.ts';

/** What `/tokenreview` works with. */
export interface TokenReviewOptions {
  readonly validator: Pick<Validator, 'validate'>;
  readonly counts: RequestCounts;
  readonly refusals: Refusals;
}

const apiVersion = 'authentication.k8s.io/v1';

/** What an API server asks. */
interface Spec {
  readonly token: string;
  /** Undefined or empty: whatever the audience is. */
  readonly audiences: readonly string[] | undefined;
}

/** `POST /tokenreview`: the webhook of a Kubernetes API server (`authentication.k8s.io/v1` TokenReview). */
export const registerTokenReview = (app: FastifyInstance, options: TokenReviewOptions): void => {
  const { validator, counts, refusals } = options;
  app.post('/tokenreview', { bodyLimit: tokenBodyLimit }, async (request, reply) => {
    const spec = specOf(request.body);
    if (typeof spec === 'string') {
      refusals.refuse(request, reply, 'bad_request', spec, { route: 'validation' });
      return reply;
    }
    const status = await review(validator, spec);
    counts.bump('validation', 200);
    return reply
      .headers({ 'content-type': 'application/json', 'cache-control': 'no-store' })
      .send(Buffer.from(JSON.stringify({ apiVersion, kind: 'TokenReview', status })));
  });
};

const review = async (validator: TokenReviewOptions['validator'], spec: Spec): Promise<object> => {
  const outcome = await validator.validate(spec.token, noPolicy);
  if (!outcome.valid) {
    const error = isUndecided(outcome.reason) ? { error: 'the token cannot be judged at the moment' } : {};
    return { authenticated: false, ...error };
  }
  const { sub, groups, claims } = outcome;
  const user = { username: sub, groups };
  if (spec.audiences === undefined || spec.audiences.length === 0) return { authenticated: true, user };
  const own = audienceOf(claims) ?? [];
  const audiences = spec.audiences.filter((each) => own.includes(each));
  // An API server takes a token that is for none of its audiences for authenticated unless it is told otherwise.
  if (audiences.length === 0) return { authenticated: false, error: 'the token is for another audience' };
  return { authenticated: true, user, audiences };
};

/** The question, or a sentence that says what is wrong with it. */
const specOf = (body: unknown): Spec | string => {
  const json = parseJson(typeof body === 'string' ? body : '');
  const review_ = json.ok ? asObject(json.value) : undefined;
  if (review_ === undefined) return 'Send a TokenReview as JSON.';
  if (review_['apiVersion'] !== apiVersion || review_['kind'] !== 'TokenReview') {
    return `Send apiVersion ${apiVersion} and kind TokenReview.`;
  }
  const spec = asObject(review_['spec']);
  const token = spec?.['token'];
  if (typeof token !== 'string') return 'spec.token must be a text.';
  const audiences = spec?.['audiences'] ?? undefined;
  if (audiences === undefined) return { token, audiences };
  if (!Array.isArray(audiences) || !audiences.every((each) => typeof each === 'string')) {
    return 'spec.audiences must be a list of texts.';
  }
  return { token, audiences };
};

const asObject = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
