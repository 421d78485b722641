// Loaded into the jwksd under test with `--import`: the machine's clock and name service, as the file named by
// TEST_WORLD has them. Read anew for every question, so a test changes the world by writing the file.
import dns from 'node:dns';
import { readFileSync } from 'node:fs';

const world = () => {
  try {
    return JSON.parse(readFileSync(process.env.TEST_WORLD, 'utf8'));
  } catch {
    return {};
  }
};

const realNow = Date.now;
Date.now = () => realNow() + (world().clock ?? 0);

const realLookup = dns.lookup;
dns.lookup = (hostname, options, callback) => {
  const addresses = world().hosts?.[hostname];
  if (addresses === undefined) return realLookup(hostname, options, callback);
  const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  if (found.length === 0) {
    return setImmediate(() =>
      callback(Object.assign(new Error(`ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' })),
    );
  }
  return setImmediate(() => callback(null, options.all ? found : found[0].address, found[0].family));
};
