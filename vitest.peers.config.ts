import { defineConfig } from 'vitest/config';

// Tests against programs that npm does not bring (Keycloak with Java and Maven, promtool, openssl and other tools for keys, a
// terminal): `npm run test:keycloak`, `test:prometheus`, `test:tools`, `test:terminal`, `test:gateways`, `test:ldap`. Where the program is missing they are skipped and say so.
// oxlint-disable-next-line no-default-export -- vitest loads its configuration from the default export
export default defineConfig({
  test: {
    include: ['keycloak', 'prometheus', 'tools', 'terminal', 'shell', 'gateways', 'ldap'].map(
      (folder) => `test/${folder}/**/*.test.ts`,
    ),
    testTimeout: 60_000,
    // A spawned process can be late once on a machine that is shared; what fails twice in a row fails CI.
    retry: process.env['CI'] === undefined ? 0 : 1,
    hookTimeout: 300_000,
  },
});
