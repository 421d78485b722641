import { createHash } from 'node:crypto';
import type { Key } from '../../src/jwk/key.ts';
import type { Registration } from '../../src/stores/store.ts';

const day = 86_400_000;

/** Ten keys for each client. */
export const clientOf = (number: number): string =>
  `https://app.example.org/clients/${Math.floor(number / 10)}`;

/**
 * A registration of a made-up RSA-2048 key. It did not pass admission, which is no part of these measurements: the
 * figures are those of the store alone.
 */
export const registrationOf = (number: number, now: number): Registration => {
  const thumbprint = createHash('sha256').update(`key ${number}`).digest('base64url');
  const n = thumbprint.repeat(8).slice(0, 342);
  const key = { thumbprint, jwk: { kty: 'RSA', n, e: 'AQAB' } } as unknown as Key;
  const replay = { jti: `jti ${number}`, expiresAt: now + 400_000 };
  return {
    clientId: clientOf(number),
    key,
    alg: 'RS256',
    expiresAt: now + 400 * day,
    replay,
    limits: { maxKeysPerClient: 100, uniqueAcrossClients: false },
  };
};

/** The value below which this share of the values lies. */
export const quantile = (values: readonly number[], share: number): number => {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
};
