import { describe, expect, test } from 'vitest';
import { kidDigest } from '../../src/jwk/kid-digest.ts';
import { thumbprint } from '../../src/jwk/thumbprint.ts';
import { admitted, pairs } from './helpers.ts';

describe('thumbprint', () => {
  test('is that of RFC 7638 §3.1', () => {
    const jwk = {
      kty: 'RSA',
      n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
      e: 'AQAB',
      alg: 'RS256',
      kid: '2011-04-29',
    } as const;
    expect(thumbprint(jwk)).toBe('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
    expect(admitted(jwk).thumbprint).toBe('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
  });

  test('is that of RFC 8037 App. A.3', () => {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' } as const;
    expect(thumbprint(jwk)).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  });

  test('depends on the key alone', () => {
    const { publicJwk } = pairs['P-256'];
    const one = admitted({ ...publicJwk, kid: 'a', use: 'sig', alg: 'ES256' });
    const two = admitted({ alg: 'ES256', kid: 'b', ...publicJwk });
    expect(one.thumbprint).toBe(two.thumbprint);
    expect(one.thumbprint).not.toBe(admitted(pairs['P-384'].publicJwk).thumbprint);
  });
});

describe('kidDigest', () => {
  test('is the name Jitsi asks for', () => {
    expect(kidDigest('1DKOk8q4Dc9BSgDLmksFemg5lEGuoYQvYrHVOnXNj3k')).toBe(
      'e15452c2c03fc8afdb1d558953ab30ffd235a622fad1175de7f791a3c86eb08d',
    );
  });

  test('hashes the UTF-8 bytes of the kid', () => {
    expect(kidDigest('schlüssel')).toBe(kidDigest(Buffer.from('schlüssel', 'utf8').toString('utf8')));
    expect(kidDigest('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });
});
