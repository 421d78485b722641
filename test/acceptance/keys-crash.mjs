// Loaded before jwksd: ends the process like a power failure right before its Nth change of the file system
// (JWKSD_TEST_CRASH_AT), or says on stderr how many there were.
import { writeSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const at = Number(process.env.JWKSD_TEST_CRASH_AT);
let count = 0;
const counted = (object, name) => {
  const original = object[name];
  object[name] = function (...args) {
    count += 1;
    if (count === at) process.kill(process.pid, 'SIGKILL');
    return original.apply(this, args);
  };
};
const handle = await fs.open(process.execPath, 'r');
for (const name of ['writeFile', 'sync', 'chmod']) counted(Object.getPrototypeOf(handle), name);
await handle.close();
for (const name of ['mkdir', 'chmod', 'open', 'writeFile', 'link', 'rename', 'rm']) counted(fs, name);
syncBuiltinESMExports();
process.on('exit', () => writeSync(2, `changes: ${count}\n`));
