import { defineConfig } from 'vitest/config';

// oxlint-disable-next-line no-default-export -- vitest loads its configuration from the default export
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [
      'test/keycloak/**',
      'test/prometheus/**',
      'test/tools/**',
      'test/terminal/**',
      'test/shell/**',
      'test/gateways/**',
      'test/ldap/**',
    ],
    // Acceptance tests spawn whole processes; two files at a time keeps a two-core machine honest.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
