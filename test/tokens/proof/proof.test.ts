import { calculateJwkThumbprint, CompactSign, importJWK, type JWK } from 'jose';
import { describe, expect, test } from 'vitest';
import { longestProof, verifyProof } from '../../../src/tokens/proof/proof.ts';
import {
  accessToken,
  algorithms,
  ath,
  b64,
  cas,
  claims,
  codeOf,
  makeProof,
  pairs,
  proved,
  registrationUrl,
  seconds,
  signWith,
  strict,
  type Json,
} from './proofs.ts';

const ec = pairs['P-256'].publicJwk;
const filled = (length: number): string => makeProof({ payload: { filler: 'a'.repeat(length) } });

describe('a good proof', () => {
  test.each(algorithms)(
    'signed with %s by jose gives the key, its thumbprint and what to record',
    async (alg, kind) => {
      const jwk = pairs[kind].publicJwk;
      const proof = await new CompactSign(Buffer.from(JSON.stringify(claims)))
        .setProtectedHeader({ alg, typ: 'register-key+jwt', jwk: { ...jwk, kid: 'my key', alg, use: 'sig' } })
        .sign(await importJWK(pairs[kind].privateJwk as JWK, alg));
      const outcome = await proved(proof);
      const jkt = await calculateJwkThumbprint(jwk);
      expect(outcome).toMatchObject({ jkt, alg, label: 'my key' });
      expect(outcome.key.jwk).toEqual({ ...jwk, kid: jkt, use: 'sig', alg });
      expect(outcome.key.thumbprint).toBe(jkt);
      expect(outcome.replay).toEqual({ jti: 'j-1', expiresAt: (seconds + 360) * 1000 });
      expect(outcome).not.toHaveProperty('nonce');
    },
  );

  test('keeps nothing of what its client says about the key but the label', async () => {
    const jwk = {
      ...ec,
      kid: 'L',
      use: 'sig',
      key_ops: ['verify'],
      x5t: b64(Buffer.alloc(20)),
      ext: true,
      nbf: 1,
    };
    const { key, label } = await proved(makeProof({ jwk }));
    expect(Object.keys(key.jwk).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    expect(label).toBe('L');
  });

  test('has no label when its jwk has no kid, an empty one, or one that is not a string', async () => {
    for (const kid of [undefined, '', null, 5]) {
      expect(await proved(makeProof({ jwk: { ...ec, kid } }))).not.toHaveProperty('label');
    }
  });

  test.each(['register-key+jwt', 'register-key+jws'])('may be a %s bound by ath alone', async (typ) => {
    expect(await codeOf(makeProof({ header: { typ }, payload: { iss: undefined, ath } }))).toBe('ok');
  });

  const dpop = { aud: undefined, iss: undefined, htm: 'POST', htu: registrationUrl, ath };
  test.each([
    registrationUrl,
    `${registrationUrl}?x=1#y`,
    'HTTPS://KEYS.example.org:443/oidc/jwks/clients',
    'https://keys.example.org/oidc/./jwks/clients',
  ])('may be a dpop+jwt as RFC 9449 makes it, with htu %s', async (htu) => {
    expect(await codeOf(makeProof({ header: { typ: 'dpop+jwt' }, payload: { ...dpop, htu } }))).toBe('ok');
  });

  test.each([
    ['one of several URLs', [registrationUrl], 'http://127.0.0.1:8080/oidc/jwks/clients'],
    ['the service id', undefined, 'https://keys.example.org'],
    ['a list of one', undefined, [registrationUrl]],
  ])('is for %s', async (_what, more, aud) => {
    const registrationUrls = [
      ...(more ?? []),
      ...strict.registrationUrls,
      'http://127.0.0.1:8080/oidc/jwks/clients',
    ];
    expect(await codeOf(makeProof({ payload: { aud } }), { ...strict, registrationUrls })).toBe('ok');
  });

  test('carries the nonce it states', async () => {
    const context = { ...strict, nonceRequired: true };
    expect(await proved(makeProof({ payload: { nonce: 'n-1' } }), context)).toMatchObject({ nonce: 'n-1' });
    expect(await proved(makeProof({ payload: { nonce: 'n-1' } }))).toMatchObject({ nonce: 'n-1' });
  });

  test('is up to 8192 characters long', async () => {
    const room = Math.floor(((longestProof - filled(0).length) * 3) / 4);
    const longest = filled(room);
    expect(longestProof - longest.length).toBeLessThan(3);
    expect(await codeOf(longest)).toBe('ok');
    expect(await codeOf(filled(room + 3))).toBe('proof_too_large');
  });
});

describe('CAS mode', () => {
  test.each([
    ['the text of its own test', 'test'],
    ['nothing', ''],
    ['bytes that are no text', Uint8Array.of(0xff, 0xfe, 0)],
    ['JSON that is no object', '[{"iat":1}]'],
    ['a brace and no JSON', '{test'],
    ['claims without dates', '{"iss":"someone","aud":"elsewhere"}'],
    ['claims that live long', JSON.stringify({ iat: seconds, exp: seconds + 86_400 })],
    ['claims that are fresh', JSON.stringify({ iat: seconds, exp: seconds + 600, nbf: seconds })],
  ])('takes %s as payload', async (_what, payload) => {
    const outcome = await proved(makeProof({ payload, header: { typ: undefined } }), cas);
    expect(Object.keys(outcome).toSorted()).toEqual(['alg', 'jkt', 'key', 'ok']);
  });

  test.each([
    ['too_old', { iat: seconds - 301 }],
    ['from_the_future', { iat: seconds + 61 }],
    ['bad_iat', { iat: 'today' }],
    ['expired', { exp: seconds }],
    ['bad_exp', { exp: null }],
    ['not_yet_valid', { nbf: seconds + 1 }],
    ['bad_nbf', { nbf: {} }],
  ])('honours the dates of a payload that is JSON: %s', async (code, payload) => {
    expect(await codeOf(makeProof({ payload: JSON.stringify(payload) }), cas)).toBe(code);
  });

  test('refuses claims that say two things', async () => {
    const payload = `{"exp":1,"exp":${seconds + 5}}`;
    expect(await codeOf(makeProof({ payload }), cas)).toBe('malformed_claims');
  });

  test('ignores a kid beside the jwk, other names of the key, and any typ', async () => {
    for (const header of [{ kid: 'K' }, { x5t: 'AA' }, { 'x5t#S256': 'AA' }, { typ: 'JWT' }, { typ: 5 }]) {
      const outcome = await proved(makeProof({ header, payload: 'test' }), cas);
      expect(outcome.key.jwk.kid).toBe(outcome.jkt);
      expect(outcome).not.toHaveProperty('label');
    }
  });

  test('asks for a nonce where one is needed, and for nothing else', async () => {
    const context = { ...cas, nonceRequired: true };
    expect(await codeOf(makeProof({ payload: 'test' }), context)).toBe('nonce_missing');
    expect(await codeOf(makeProof({ payload: '{"nonce":5}' }), context)).toBe('bad_nonce');
    expect(await proved(makeProof({ payload: '{"nonce":"n","jti":"j"}' }), context)).toMatchObject({
      nonce: 'n',
    });
    expect(await proved(makeProof({ payload: '{"nonce":"n","jti":"j"}' }), cas)).not.toHaveProperty('nonce');
  });

  test('does not use up a jti: the same POST may come again', async () => {
    expect(await proved(makeProof({ payload: { jti: 'j' } }), cas)).not.toHaveProperty('replay');
  });
});

describe('the claims of a strict proof', () => {
  const dpop = { header: { typ: 'dpop+jwt' } };
  const own = { aud: undefined, htm: 'POST', htu: registrationUrl, ath };
  test.each([
    ['ok', { iat: seconds - 300 }],
    ['ok', { iat: seconds - 299.5 }],
    ['too_old', { iat: seconds - 300.5 }],
    ['too_old', { iat: seconds - 301 }],
    ['bad_iat', { iat: -1e308 }],
    ['too_old', { iat: 0 }],
    ['ok', { iat: seconds + 60 }],
    ['from_the_future', { iat: seconds + 61 }],
    ['bad_iat', { iat: 1e308 }],
    ['bad_iat', { iat: seconds * 1000 }],
    ['bad_iat', { iat: undefined }],
    ['bad_iat', { iat: null }],
    ['bad_iat', { iat: String(seconds) }],
    ['bad_iat', { iat: [seconds] }],
    ['bad_iat', { iat: true }],
    ['ok', { exp: seconds + 1 }],
    ['ok', { exp: seconds + 600 }],
    ['lives_too_long', { exp: seconds + 601 }],
    ['bad_exp', { exp: Number.MAX_SAFE_INTEGER }],
    ['expired', { exp: seconds }],
    ['expired', { exp: 0 }],
    ['bad_exp', { exp: -1e308 }],
    ['bad_exp', { exp: '2099' }],
    ['bad_exp', { exp: null }],
    ['ok', { nbf: seconds }],
    ['not_yet_valid', { nbf: seconds + 1 }],
    ['bad_nbf', { nbf: 'now' }],
    ['wrong_audience', { aud: undefined }],
    ['wrong_audience', { aud: null }],
    ['wrong_audience', { aud: '' }],
    ['wrong_audience', { aud: [] }],
    ['wrong_audience', { aud: [[registrationUrl]] }],
    ['wrong_audience', { aud: [registrationUrl, registrationUrl] }],
    ['wrong_audience', { aud: [registrationUrl, 'https://other.example.org'] }],
    ['wrong_audience', { aud: { 0: registrationUrl, length: 1 } }],
    ['wrong_audience', { aud: `${registrationUrl}/` }],
    ['wrong_audience', { aud: 'https://keys.example.org.evil.example' }],
    ['wrong_audience', { aud: registrationUrl.toUpperCase() }],
    ['wrong_issuer', { iss: 'other' }],
    ['wrong_issuer', { iss: ['app'] }],
    ['wrong_issuer', { iss: null }],
    ['wrong_issuer', { iss: 'app ' }],
    ['wrong_issuer', { iss: 'other', ath }],
    ['wrong_token', { ath: 'AAAA' }],
    ['wrong_token', { ath: accessToken }],
    ['wrong_token', { ath: `${ath}=` }],
    ['not_bound', { iss: undefined }],
    ['bad_jti', { jti: undefined }],
    ['bad_jti', { jti: '' }],
    ['bad_jti', { jti: 5 }],
    ['bad_jti', { jti: 'a'.repeat(257) }],
    ['ok', { jti: 'a'.repeat(256) }],
    ['ok', { jti: '\u{1F511}'.repeat(256) }],
    ['bad_jti', { jti: '\u{1F511}'.repeat(257) }],
    ['bad_jti', { jti: 'a\0b' }],
    ['bad_jti', { jti: 'a\uD800' }],
    ['bad_jti', { jti: 'a\u0085' }],
    ['bad_nonce', { nonce: '' }],
    ['bad_nonce', { nonce: null }],
    ['bad_nonce', { nonce: 'n\0' }],
    ['wrong_method', { htm: 'GET' }],
    ['wrong_url', { htu: 'https://other.example.org/oidc/jwks/clients' }],
  ] as const)('%s: %o', async (code, payload) => {
    expect(await codeOf(makeProof({ payload }))).toBe(code);
  });

  test.each([
    ['ok', {}],
    ['ok', { aud: registrationUrl, iss: 'app' }],
    ['wrong_audience', { aud: 'https://other.example.org' }],
    ['wrong_issuer', { iss: 'other' }],
    ['wrong_token', { ath: undefined }],
    ['wrong_token', { ath: undefined, iss: 'app' }],
    ['wrong_token', { ath: 'AAAA' }],
    ['wrong_method', { htm: undefined }],
    ['wrong_method', { htm: 'post' }],
    ['wrong_method', { htm: ['POST'] }],
    ['wrong_url', { htu: undefined }],
    ['wrong_url', { htu: 5 }],
    ['wrong_url', { htu: '' }],
    ['wrong_url', { htu: 'https://keys.example.org' }],
    ['wrong_url', { htu: `${registrationUrl}/` }],
    ['wrong_url', { htu: `${registrationUrl}/../clients/x` }],
    ['wrong_url', { htu: registrationUrl.replace('https', 'http') }],
    ['wrong_url', { htu: registrationUrl.replace('//', '//user:pw@') }],
    ['wrong_url', { htu: registrationUrl.replace('//', '\\\\') }],
    ['wrong_url', { htu: registrationUrl.replace('/jwks', '\\jwks') }],
    ['wrong_url', { htu: registrationUrl.replace('keys', 'ke\tys') }],
    ['wrong_url', { htu: ` ${registrationUrl}` }],
    ['wrong_url', { htu: registrationUrl.replace('keys', 'k\uFF45ys') }],
    ['wrong_url', { htu: 'https://[' }],
    ['wrong_url', { htu: '/oidc/jwks/clients' }],
    ['bad_jti', { jti: undefined }],
  ] as const)('as dpop+jwt: %s: %o', async (code, odd) => {
    expect(await codeOf(makeProof({ ...dpop, payload: { iss: undefined, ...own, ...odd } }))).toBe(code);
  });

  test.each([
    ['no JSON', 'test'],
    ['nothing', ''],
    ['a list', '[]'],
    ['a claim twice', `{"jti":"a",${JSON.stringify(claims).slice(1)}`],
    ['a claim twice, once escaped', `{"\\u006ati":"a",${JSON.stringify(claims).slice(1)}`],
    ['bytes that are no text', Uint8Array.of(0xff)],
  ])('are not there with %s as payload', async (_what, payload) => {
    expect(await codeOf(makeProof({ payload }))).toBe('malformed_claims');
  });

  test.each([
    ['bad_iat', `{"__proto__":${JSON.stringify(claims)}}`],
    ['bad_iat', JSON.stringify(claims).replace(String(seconds), '1e999')],
    ['bad_exp', `{"exp":1e999,${JSON.stringify(claims).slice(1)}`],
  ])('are not inherited and not infinite: %s', async (code, payload) => {
    expect(await codeOf(makeProof({ payload }))).toBe(code);
  });

  test('are not asked for while the signature is wrong', async () => {
    const other = pairs['P-384'].privateKey;
    expect(await codeOf(makeProof({ signer: other, payload: { iat: 0 } }))).toBe('bad_signature');
  });

  test('need a nonce where the service asks for one', async () => {
    const context = { ...strict, nonceRequired: true };
    expect(await verifyProof(makeProof(), context)).toMatchObject({
      error: 'invalid_nonce',
      code: 'nonce_missing',
    });
    expect(await verifyProof(makeProof({ payload: { nonce: 5 } }), context)).toMatchObject({
      error: 'invalid_nonce',
      code: 'bad_nonce',
    });
  });

  test('are remembered as long as any replica may take them', async () => {
    const { replay } = await proved(makeProof({ payload: { iat: seconds + 59.5 } }));
    expect(replay?.expiresAt).toBe((seconds + 420) * 1000);
  });
});

describe('what is no compact JWS', () => {
  test.each([undefined, null, 5, '', {}, ['a.b.c'], new String('a.b.c')])(
    '%o is not even a proof',
    async (proof) => {
      expect(await verifyProof(proof, strict)).toMatchObject({
        error: 'invalid_request',
        code: 'proof_missing',
      });
    },
  );

  test('a proof is refused with white space, padding, more or fewer parts', async () => {
    const good = makeProof();
    const [head = '', body = '', signature = ''] = good.split('.');
    const texts = [
      ` ${good}`,
      `${good}\n`,
      `${head}\r\n.${body}.${signature}`,
      `${good}\0`,
      `${good}=`,
      `${good}.`,

      `${head}.${body}`,
      `${head}..${signature}.`,
      `${good}.${signature}`,
      `${head} .${body}.${signature}`,
    ];
    for (const text of texts) {
      for (const context of [strict, cas])
        expect([text, await codeOf(text, context)]).toEqual([text, 'not_compact']);
    }
  });

  test('a detached or empty signature proves nothing', async () => {
    const [head, body] = makeProof().split('.');
    for (const context of [strict, cas])
      expect(await codeOf(`${head}.${body}.`, context)).toBe('bad_signature');
    const [odd, , signature] = makeProof({ payload: 'test' }).split('.');
    expect(await codeOf(`${odd}..${signature}`, cas)).toBe('bad_signature');
  });

  test('a header that nests 10,000 deep, or names a member twice, is not read', async () => {
    const jwk = JSON.stringify(ec);
    const start = `{"alg":"ES256","typ":"register-key+jwt","jwk":${jwk}`;
    const bad = [
      `${start},"jwk":${jwk}}`,
      `${start},"\\u006awk":${jwk}}`,
      `{"alg":"none",${start.slice(1)}}`,
      `${start.replace('"x":', '"x":"AAAA","x":')}}`,
      `${start},"a":${'['.repeat(1000)}${']'.repeat(1000)}}`,
      start,
      `[${start}}]`,
    ];
    for (const header of bad) {
      for (const context of [strict, cas]) {
        expect([header, await codeOf(makeProof({ header, payload: 'test' }), context)]).toEqual([
          header,
          'malformed_header',
        ]);
      }
    }
    const deep = `${start},"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`;
    expect(await codeOf(makeProof({ header: deep }))).toBe('proof_too_large');
  });

  test('a header cannot inherit its jwk or its alg', async () => {
    const inherited = `{"alg":"ES256","typ":"register-key+jwt","__proto__":{"jwk":${JSON.stringify(ec)}}}`;
    expect(await codeOf(makeProof({ header: inherited }))).toBe('jwk_missing');
    const alg = `{"__proto__":{"alg":"ES256"},"jwk":${JSON.stringify(ec)}}`;
    expect(await codeOf(makeProof({ header: alg }), cas)).toBe('malformed_header');
  });
});

describe('the header', () => {
  test.each(['x5c', 'x5u', 'jku', 'crit', 'b64'])(
    'has no %s in either mode, whatever its value',
    async (name) => {
      for (const value of [null, '', true, false, [], ['b64'], 'https://evil.example/jwks.json']) {
        const proof = makeProof({ header: { [name]: value } });
        for (const context of [strict, cas]) expect(await codeOf(proof, context)).toBe('header_not_allowed');
      }
    },
  );

  test('with b64: false is refused also when it is signed as RFC 7797 says', async () => {
    const head = b64(JSON.stringify({ alg: 'ES256', jwk: ec, b64: false, crit: ['b64'] }));
    const signature = b64(signWith('ES256', pairs['P-256'].privateKey, `${head}.test`));
    expect(await codeOf(`${head}.${b64('test')}.${signature}`, cas)).toBe('header_not_allowed');
  });

  test('has no other name of the key in strict mode', async () => {
    for (const kid of ['K', '', null])
      expect(await codeOf(makeProof({ header: { kid } }))).toBe('kid_beside_jwk');
    expect(await codeOf(makeProof({ header: { x5t: 'AA' } }))).toBe('header_not_allowed');
    expect(await codeOf(makeProof({ header: { 'x5t#S256': 'AA' } }))).toBe('header_not_allowed');
  });

  test('has one of three types in strict mode, spelled exactly', async () => {
    const typs = [
      undefined,
      null,
      '',
      'JWT',
      'jwt',
      'at+jwt',
      'DPoP+JWT',
      'application/dpop+jwt',
      ['dpop+jwt'],
    ];
    for (const typ of typs)
      expect([typ, await codeOf(makeProof({ header: { typ } }))]).toEqual([typ, 'wrong_typ']);
  });

  test('may have what neither mode knows', async () => {
    const header: Json = {
      cty: 'json',
      zip: 'DEF',
      url: 'https://evil.example',
      nonce: 'n',
      x: 1,
      constructor: 1,
    };
    expect(await codeOf(makeProof({ header }))).toBe('ok');
  });

  test.each([
    'none',
    'None',
    'NONE',
    'HS256',
    'HS384',
    'HS512',
    'ES256K',
    'Ed448',
    'RSA-OAEP',
    'ML-DSA-44',
    'es256',
    '',
    ' ES256',
    'ES256\0',
    '__proto__',
    'constructor',
  ])('has no alg "%s"', async (alg) => {
    for (const context of [strict, cas]) {
      expect(await codeOf(makeProof({ header: { alg } }), context)).toBe('unsupported_alg');
      const [head, body] = makeProof({ header: { alg } }).split('.');
      expect(await codeOf(`${head}.${body}.`, context)).toBe('unsupported_alg');
    }
  });
});
