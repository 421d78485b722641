import { defineConfig } from 'vitest/config';

// Tests against programs that npm does not bring (Keycloak with Java and Maven, promtool): `npm run test:keycloak`,
// `npm run test:prometheus`. Where the program is missing they are skipped and say so.
// oxlint-disable-next-line no-default-export -- vitest loads its configuration from the default export
export default defineConfig({
  test: {
    include: ['test/keycloak/**/*.test.ts', 'test/prometheus/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
