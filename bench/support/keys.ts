import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * A JWK Set of `count` RSA-2048 public keys.
 *
 * The moduli are random odd numbers and not products of primes: 10,000 real pairs would take an hour, and nothing here
 * signs or verifies. Admission, rendering and OpenSSL's import do the same work on them.
 */
export const jwkSet = (count: number): string =>
  JSON.stringify({
    keys: Array.from({ length: count }, (_, index) => {
      const n = randomBytes(256);
      n[0] = (n[0] ?? 0) | 0x80;
      n[255] = (n[255] ?? 0) | 1;
      const kid = `key-${index}-${randomBytes(6).toString('hex')}`;
      return { kty: 'RSA', kid, use: 'sig', alg: 'RS256', n: n.toString('base64url'), e: 'AQAB' };
    }),
  });

/** A directory of this run, removed when the process ends. */
export const workDirectory = (): string => {
  const directory = mkdtempSync(path.join(tmpdir(), 'jwksd-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return directory;
};

/** Writes a set of `count` keys into a directory of its own and returns that directory. */
export const keyDirectory = (count: number): string => {
  const directory = workDirectory();
  writeFileSync(path.join(directory, 'keys.json'), jwkSet(count));
  return directory;
};
