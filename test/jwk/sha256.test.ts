import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { sha256 } from '../../src/jwk/sha256.ts';

test.each([0, 1, 65_535, 65_536, 65_537, 200_000])(
  '%i bytes have the digest they have in one piece',
  (size) => {
    const bytes = randomBytes(size);
    const steps = sha256(bytes);
    let step = steps.next();
    let yields = 0;
    for (; step.done !== true; step = steps.next()) yields += 1;
    expect(step.value).toEqual(createHash('sha256').update(bytes).digest());
    expect(yields).toBe(Math.ceil(size / 65_536));
  },
);
