import { METHODS } from 'node:http';
import type { FastifyBaseLogger } from 'fastify';
import type { Validator } from '../../../tokens/validation/validator.ts';
import type { Feature } from '../../feature.ts';
import { registerIntrospect, type IntrospectOptions } from './introspect.ts';
import { registerTokenReview } from './token-review.ts';
import { createValidateAttempt } from './validate.ts';

/** What the validation of tokens is made of. */
export interface ValidationOptions {
  readonly validator: Pick<Validator, 'validate'>;
  readonly log: FastifyBaseLogger;
  /** The secrets of those who may introspect; undefined: nobody may. */
  readonly secretOf: IntrospectOptions['secretOf'] | undefined;
}

/** The endpoints of docs/validation.md. */
export const validationFeature = ({ validator, log, secretOf }: ValidationOptions): Feature => ({
  isDocument: () => false,
  attempt: ({ counts, lifecycle }) => createValidateAttempt({ validator, counts, log, lifecycle }),
  register: (app, { counts, refusals }) => {
    void app.register((scope, _options, done) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, parsed) =>
        parsed(null, body),
      );
      scope.addContentTypeParser(
        'application/x-www-form-urlencoded',
        { parseAs: 'string' },
        (_request, body, parsed) => parsed(null, new URLSearchParams(String(body))),
      );
      registerTokenReview(scope, { validator, counts, refusals });
      if (secretOf !== undefined) registerIntrospect(scope, { validator, counts, secretOf });
      for (const url of ['/tokenreview', ...(secretOf === undefined ? [] : ['/introspect'])]) {
        scope.route({
          method: scope.supportedMethods.filter((each) => METHODS.includes(each) && each !== 'POST'),
          url,
          exposeHeadRoute: false,
          onRequest: (request, reply) =>
            refusals.refuse(request, reply, 'method_not_allowed', 'Use POST.', {
              route: 'validation',
              headers: { allow: 'POST' },
            }),
          handler: () => undefined,
        });
      }
      done();
    });
  },
});
