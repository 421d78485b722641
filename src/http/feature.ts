import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Cors } from './cors.ts';
import type { Refusals } from './problem.ts';
import type { RequestCounts } from './request-counts.ts';

/** What the public listener gives to a feature. */
export interface FeatureHost {
  readonly log: FastifyBaseLogger;
  readonly cors: Cors;
  readonly counts: RequestCounts;
  readonly refusals: Refusals;
}

/** Routes that the public listener has only where the configuration asks for them. Loaded by whoever configures them. */
export interface Feature {
  /** Adds the routes. */
  readonly register: (app: FastifyInstance, host: FeatureHost) => void;
  /** Whether a path, percent-decoded, is a document that scripts of any origin may read. */
  readonly isDocument: (path: string) => boolean;
}
