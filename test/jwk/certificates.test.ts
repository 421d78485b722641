import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../fakes/certificate.ts';
import { admitted, pairs, warningsOf, type Jwk } from './helpers.ts';

const keyOf = (jwk: Jwk): KeyObject => createPublicKey({ key: jwk as never, format: 'jwk' });
const signerOf = (jwk: Jwk): KeyObject => createPrivateKey({ key: jwk as never, format: 'jwk' });

const { publicJwk, privateJwk } = pairs['P-256'];
const leaf = makeCertificate({ subject: 'leaf', publicKey: keyOf(publicJwk), signer: signerOf(privateJwk) });
const other = makeCertificate({
  subject: 'other',
  publicKey: keyOf(pairs.RSA.publicJwk),
  signer: signerOf(pairs.RSA.privateJwk),
});
const digest = (hash: string, der: Buffer): string => createHash(hash).update(der).digest('base64url');
const x5c = [leaf.toString('base64')];
const x5t = digest('sha1', leaf);
const s256 = digest('sha256', leaf);

describe('certificate members', () => {
  test.each(['RSA', 'P-256', 'Ed25519'] as const)('%s: those of the key are published', (kind) => {
    const pair = pairs[kind];
    const der = makeCertificate({
      subject: 'me',
      publicKey: keyOf(pair.publicJwk),
      signer: signerOf(pair.privateJwk),
    });
    const entry = {
      ...pair.publicJwk,
      x5c: [der.toString('base64')],
      x5t: digest('sha1', der),
      'x5t#S256': digest('sha256', der),
    };
    expect(admitted(entry).jwk).toEqual(entry);
    expect(warningsOf(entry)).toEqual([]);
  });

  test('a chain is kept whole', () => {
    const chain = [leaf.toString('base64'), other.toString('base64')];
    expect(admitted({ ...publicJwk, x5c: chain }).jwk.x5c).toEqual(chain);
  });

  test('an expired certificate around a good key is kept', () => {
    const expired = makeCertificate({
      subject: 'old',
      publicKey: keyOf(publicJwk),
      signer: signerOf(privateJwk),
      validity: ['100101000000Z', '110101000000Z'],
    });
    const entry = { ...publicJwk, x5c: [expired.toString('base64')] };
    expect(admitted(entry).jwk).toEqual(entry);
  });

  test('respelled certificates are published in one spelling', () => {
    const respelled = {
      ...publicJwk,
      x5c: [leaf.toString('base64url').replaceAll(/.{64}/g, '$&\r\n')],
      x5t: Buffer.from(x5t, 'base64url').toString('base64'),
    };
    expect(admitted(respelled).json).toBe(admitted({ ...publicJwk, x5c, x5t }).json);
  });

  test.each([
    ['of another key', { x5c: [other.toString('base64')], x5t: digest('sha1', other) }],
    ['behind the one of another key', { x5c: [other.toString('base64'), ...x5c] }],
    ['that are none', { x5c: ['AAAA'] }],
    ['that are not base64', { x5c: ['***'] }],
    ['that are not text', { x5c: [1] }],
    ['that are no list', { x5c: x5c[0], x5t, 'x5t#S256': s256 }],
    ['that are an empty list', { x5c: [] }],
    ['with junk in the chain', { x5c: [...x5c, 'AAAA'] }],
    ['too many', { x5c: Array.from({ length: 11 }, () => x5c[0]) }],
    ['too long', { x5c: ['A'.repeat(30_000)] }],
  ])('certificates %s are left out with a warning, the key stays', (_name, members) => {
    expect(admitted({ ...publicJwk, ...members }).jwk).toEqual(publicJwk);
    expect(warningsOf({ ...publicJwk, ...members })).toEqual(['certificate_mismatch']);
  });

  test('what follows the end of a certificate is not published', () => {
    const padded = Buffer.concat([leaf, Buffer.from('secret')]).toString('base64');
    expect(admitted({ ...publicJwk, x5c: [padded] }).json).not.toContain(
      Buffer.from('secret').toString('base64'),
    );
  });

  test('a digest that is not that of the certificate is left out, the rest stays', () => {
    const entry = { ...publicJwk, x5c, x5t: digest('sha1', other), 'x5t#S256': s256 };
    expect(admitted(entry).jwk).toEqual({ ...publicJwk, x5c, 'x5t#S256': s256 });
    expect(warningsOf(entry)).toEqual(['certificate_mismatch']);
    expect(warningsOf({ ...publicJwk, x5c, 'x5t#S256': x5t })).toEqual(['certificate_mismatch']);
  });

  test('digests without a certificate stay when they can be digests', () => {
    expect(admitted({ ...publicJwk, x5t, 'x5t#S256': s256 }).jwk).toEqual({
      ...publicJwk,
      x5t,
      'x5t#S256': s256,
    });
    const wrong = { ...publicJwk, x5t: 'not one', 'x5t#S256': 1 };
    expect(admitted(wrong).jwk).toEqual(publicJwk);
    expect(warningsOf(wrong)).toEqual(['certificate_mismatch']);
  });

  test('a certificate with a key this runtime cannot compare costs nothing but itself', () => {
    const unknown = Buffer.from(leaf);
    const at = unknown.indexOf(Buffer.from('2a8648ce3d0201', 'hex'));
    unknown[at + 6] = 0x7f;
    expect(admitted({ ...publicJwk, x5c: [unknown.toString('base64')] }).jwk).toEqual(publicJwk);
  });
});
