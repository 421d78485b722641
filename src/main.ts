#!/usr/bin/env node
// Not a static import: the build would put everything into this file, which lies one folder higher than src/cli/.
const { cli } = await import('./cli/cli.ts');

process.exitCode = await cli(process.argv.slice(2));
