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
    // A spawned process can be late once on a machine that is shared; what fails twice in a row fails CI.
    retry: process.env['CI'] === undefined ? 0 : 1,
    hookTimeout: 30_000,
  },
});
