import type { FastifyServerOptions } from 'fastify';

const refuse = () => (): never => {
  throw new Error('this listener was built without schema compilers: see src/http/schemas.ts');
};

/**
 * Takes the place of Fastify's own schema compilers, Ajv and fast-json-stringify.
 *
 * No route has a schema: there is no body to validate, and documents are bytes already. Loading the two took a seventh
 * of the start. The first route with a schema brings its compiler and takes this away.
 */
export const withoutSchemas: NonNullable<FastifyServerOptions['schemaController']> = {
  compilersFactory: { buildValidator: refuse, buildSerializer: refuse },
};
