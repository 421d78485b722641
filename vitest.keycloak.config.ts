import { defineConfig } from 'vitest/config';

// `npm run test:keycloak`: needs Java and Maven, so it is not part of `npm test`.
// oxlint-disable-next-line no-default-export -- vitest loads its configuration from the default export
export default defineConfig({
  test: { include: ['test/keycloak/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 300_000 },
});
