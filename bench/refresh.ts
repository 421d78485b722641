import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Figure } from './support/figure.ts';
import { compressedFigures } from './support/refresh-compressed.ts';
import { manyFigures } from './support/refresh-many.ts';
import { processFigures } from './support/refresh-process.ts';
import { print, printTable, verdict } from './support/report.ts';

// What jwksd promises about its upstreams, each figure beside its target. Hours are compressed where the line says so.

// Every directory of the run is removed at the exit.
process.setMaxListeners(0);

const parts: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  compressed: compressedFigures,
  process: processFigures,
  many: manyFigures,
};
const asked = process.argv.slice(2);

for (const [name, figures] of Object.entries(parts)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const rows = await figures();
  printTable(
    ['figure', 'measured', 'target', 'verdict', 'how'],
    rows.map(({ name: figure, measured, target, met, how }) => [
      figure,
      measured,
      target,
      met === undefined ? '-' : verdict(met),
      how,
    ]),
  );
}
if (asked.length === 0 || asked.includes('swap')) {
  print('p99 while a 1,000-key set is swapped every second:');
  execFileSync(process.execPath, [fileURLToPath(new URL('swap.js', import.meta.url))], { stdio: 'inherit' });
}
