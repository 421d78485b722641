import { defineConfig } from 'vitest/config';

// `npm run fuzz`: the fuzzers of the suite for longer, and with another seed every time. A failure prints the seed.
// oxlint-disable-next-line no-default-export -- vitest loads its configuration from the default export
export default defineConfig({
  test: {
    include: ['test/**/*fuzz.test.ts'],
    env: { JWKSD_FUZZ_RUNS: process.env['JWKSD_FUZZ_RUNS'] ?? '20000' },
    testTimeout: 0,
  },
});
