import { generateKeyPairSync } from 'node:crypto';
import { assert, constantFrom, integer, nat, property, array, tuple } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseKeyFile } from '../../src/jwk/parse-file.ts';
import { PrivateKeys } from '../../src/jwk/private-keys.ts';
import type { ParsedSet } from '../../src/jwk/key.ts';
import { openSshPrivateKey } from '../fakes/ssh.ts';

const pairs = [
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
  generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  generateKeyPairSync('ed25519'),
];

const read = (text: string, passphrase?: string): { set: ParsedSet; privates: PrivateKeys } => {
  const privates = new PrivateKeys(passphrase);
  const steps = parseKeyFile(Buffer.from(text), { name: 'key', maxKeys: 10, privates });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return { set: step.value, privates };
  }
};

const wrap = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`;

describe('private halves', () => {
  test.each(pairs.map((pair) => [pair.privateKey.asymmetricKeyType, pair] as const))(
    '%s: found by their public ones, in every form',
    (_type, { privateKey }) => {
      const pkcs8 = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
      const jwk = JSON.stringify(privateKey.export({ format: 'jwk' }));
      for (const text of [pkcs8, jwk, `{"keys":[${jwk}]}`, openSshPrivateKey(privateKey)]) {
        const { set, privates } = read(text);
        const [key] = set.keys;
        const half = key === undefined ? undefined : privates.of(key);
        if (half === undefined || 'reason' in half) throw new Error('there is none');
        expect(half.equals(privateKey)).toBe(true);
        expect(JSON.stringify(set)).not.toContain(String(privateKey.export({ format: 'jwk' }).d));
      }
    },
  );

  test('a passphrase that is missing is told apart from one that is wrong', () => {
    const lock = { cipher: 'aes-256-cbc', passphrase: 'secret' };
    const text = pairs[1]!.privateKey.export({ format: 'pem', type: 'pkcs8', ...lock }).toString();
    expect(read(text).privates.needsPassphrase).toBe(true);
    const wrong = read(text, 'wrong');
    expect([wrong.privates.needsPassphrase, wrong.set.rejected[0]?.detail]).toEqual([
      false,
      expect.stringContaining('does not open it'),
    ]);
    expect(read(text, 'secret').set.keys).toHaveLength(1);
  });

  test('damage anywhere gives a key or a refusal, never an exception', () => {
    const blobs = pairs.flatMap(({ privateKey }) => [
      ['PRIVATE KEY', privateKey.export({ format: 'der', type: 'pkcs8' })] as const,
      [
        'OPENSSH PRIVATE KEY',
        Buffer.from(openSshPrivateKey(privateKey).replaceAll(/-----.*-----|\n/gu, ''), 'base64'),
      ] as const,
    ]);
    assert(
      property(
        constantFrom(...blobs),
        array(tuple(nat(3000), integer({ min: 0, max: 255 })), { maxLength: 4 }),
        nat(3000),
        ([label, der], changes, length) => {
          const damaged = Buffer.from(der).subarray(0, Math.max(1, der.length - (length % der.length)));
          for (const [at, byte] of changes) damaged[at % damaged.length] = byte;
          const { set, privates } = read(wrap(label, damaged));
          expect(set.keys.length + set.rejected.length).toBe(1);
          for (const key of set.keys) privates.of(key);
        },
      ),
      { numRuns: 300 },
    );
  });
});
