import { describe, expect, test } from 'vitest';
import { failureOf } from '../../../src/sources/upstream/failure.ts';

const coded = (code: string): Error => Object.assign(new Error('something'), { code });

describe('an exception of the network stack becomes a code', () => {
  test.each([
    ['ENOTFOUND', 'dns'],
    ['EAI_AGAIN', 'dns'],
    ['EAI_SYSTEM', 'dns'],
    ['ECONNREFUSED', 'connect'],
    ['ENETUNREACH', 'connect'],
    ['EMFILE', 'connect'],
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
    ['ETIMEDOUT', 'timeout'],
    ['ECONNRESET', 'reset'],
    ['UND_ERR_SOCKET', 'reset'],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'reset'],
    ['HPE_INVALID_EOF_STATE', 'reset'],
    ['HPE_INVALID_CHUNK_SIZE', 'reset'],
    ['HPE_INVALID_CONTENT_LENGTH', 'reset'],
    ['HPE_UNEXPECTED_CONTENT_LENGTH', 'reset'],
    ['CERT_HAS_EXPIRED', 'tls_cert'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls_cert'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'tls_cert'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls_cert'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls_cert'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls_cert'],
    ['EPROTO', 'tls_cert'],
    ['ERR_JWKSD_ADDRESS', 'address_blocked'],
    ['HPE_INVALID_CONSTANT', 'http_other'],
    ['SOMETHING_NEW', 'http_other'],
  ])('%s is %s', (code, expected) => {
    expect(failureOf(coded(code)).code).toBe(expected);
    expect(failureOf(new Error('outer', { cause: coded(code) })).code).toBe(expected);
  });

  test('of several addresses that failed, the first decides', () => {
    const several = new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]);
    expect(failureOf(several).code).toBe('connect');
  });

  test.each([undefined, null, 'text', new Error('bare'), new AggregateError([])])(
    '%s is http_other',
    (error) => {
      expect(failureOf(error).code).toBe('http_other');
    },
  );
});
