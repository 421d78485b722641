import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Cors } from './cors.ts';
import type { Attempt } from './exact.ts';
import type { Refusals } from './problem.ts';
import type { RequestCounts } from './request-counts.ts';
import type { Lifecycle } from './server.ts';

/** What the public listener gives to a feature. */
export interface FeatureHost {
  readonly log: FastifyBaseLogger;
  readonly cors: Cors;
  readonly counts: RequestCounts;
  readonly lifecycle: Lifecycle;
  readonly refusals: Refusals;
}

/** Routes that the public listener has only where the configuration asks for them. Loaded by whoever configures them. */
export interface Feature {
  /** Answers requests in front of Fastify, where any method and any body must do. */
  readonly attempt?: (host: Pick<FeatureHost, 'counts' | 'lifecycle'>) => Attempt;
  /** Adds the routes. */
  readonly register: (app: FastifyInstance, host: FeatureHost) => void;
  /** Whether a path, percent-decoded, is a document that scripts of any origin may read. */
  readonly isDocument: (path: string) => boolean;
}
