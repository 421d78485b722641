import { defineConfig } from 'rolldown';

// oxlint-disable-next-line no-default-export -- rolldown loads its configuration from the default export
export default defineConfig({
  input: 'src/main.ts',
  platform: 'node',
  external: [
    // Loaded only where registered keys are kept with it; lmdb is native.
    'lmdb',
    'pg',
    // Loaded only where people watch the log.
    'pino-pretty',
    // Fastify asks for these when it needs them, and here it never does: src/http/schemas.ts; inject() is for tests.
    '@fastify/ajv-compiler',
    '@fastify/fast-json-stringify-compiler',
    'light-my-request',
  ],
  output: {
    dir: 'dist',
    cleanDir: true,
    // As deep as the folders of src/, so that a path relative to a module is right in both.
    chunkFileNames: 'chunks/[name].js',
    // One character outside of ASCII would make V8 hold the whole text with two bytes for each character.
    charset: 'ascii',
    // Nothing is renamed or squeezed: a stack trace names the function, and the line can be read.
    minify: false,
    comments: { legal: true, annotation: false, jsdoc: false },
  },
});
