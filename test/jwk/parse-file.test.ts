import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ParsedSet } from '../../src/jwk/key.ts';
import { parseKeyFile, type KeyFileOptions } from '../../src/jwk/parse-file.ts';
import { certificatePem, makeCertificate } from '../fakes/certificate.ts';
import { admitted, pairs, type Jwk } from './helpers.ts';

const parse = (content: string | Uint8Array, options: Partial<KeyFileOptions> = {}): ParsedSet => {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const generator = parseKeyFile(bytes, { name: 'keys/a.pem', maxKeys: 100, ...options });
  for (;;) {
    const step = generator.next();
    if (step.done === true) return step.value;
  }
};

const publicKeyOf = (jwk: Jwk): KeyObject => createPublicKey({ key: jwk as never, format: 'jwk' });
const privateKeyOf = (jwk: Jwk): KeyObject => createPrivateKey({ key: jwk as never, format: 'jwk' });
const file = { origin: 'file' } as const;
const expected = (jwk: Jwk): string => admitted(jwk, file).json;
const published = (set: ParsedSet): readonly string[] => set.keys.map((key) => key.json);

const ec = pairs['P-256'];
const rsa = pairs.RSA;
const pem = (publicKey: KeyObject): string => publicKey.export({ type: 'spki', format: 'pem' }).toString();
const spki = (jwk: Jwk): string => pem(publicKeyOf(jwk));
const pkcs8 = (jwk: Jwk): string => privateKeyOf(jwk).export({ type: 'pkcs8', format: 'pem' }).toString();
const ecPem = spki(ec.publicJwk);

describe('public keys', () => {
  test.each(Object.entries(pairs))('%s: SPKI', (_kind, { publicJwk }) => {
    expect(published(parse(spki(publicJwk)))).toEqual([expected(publicJwk)]);
  });

  test('PKCS#1', () => {
    const pkcs1 = publicKeyOf(rsa.publicJwk).export({ type: 'pkcs1', format: 'pem' }).toString();
    expect(pkcs1).toContain('BEGIN RSA PUBLIC KEY');
    expect(published(parse(pkcs1))).toEqual([expected(rsa.publicJwk)]);
  });

  test('JWK and JWK Set', () => {
    expect(published(parse(JSON.stringify(ec.publicJwk)))).toEqual([expected(ec.publicJwk)]);
    const set = JSON.stringify({ keys: [rsa.publicJwk, ec.publicJwk] }, null, 2);
    expect(published(parse(set))).toEqual([expected(rsa.publicJwk), expected(ec.publicJwk)]);
  });

  test.each(['rsa-2048', 'ecdsa-256', 'ecdsa-384', 'ecdsa-521', 'ed25519'])('OpenSSH %s', (name) => {
    const read = (ending: string): string =>
      readFileSync(new URL(`../fixtures/ssh/${name}.${ending}`, import.meta.url), 'utf8');
    const [key] = parse(read('pub')).keys;
    expect(key?.pem).toBe(read('pem'));
    expect(key?.jwk.kid).toBe(key?.thumbprint);
  });

  test('several blocks, also of several kinds, in their order', () => {
    const text = `my keys\n${ecPem}\n# and\n${spki(rsa.publicJwk)}${pkcs8(pairs.Ed25519.privateJwk)}`;
    expect(published(parse(text))).toEqual([ec, rsa, pairs.Ed25519].map((pair) => expected(pair.publicJwk)));
  });

  test.each([
    ['CRLF', ecPem.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\ufeff${ecPem}`],
    ['blank lines', `\n\n${ecPem.replaceAll('\n', '\n\n')}\n`],
    ['spaces at the ends of lines', ecPem.replaceAll('\n', ' \t\n')],
    ['no line break at the end', ecPem.trimEnd()],
    ['old Mac line ends', ecPem.replaceAll('\n', '\r')],
    [
      'a JWK with a byte order mark and CRLF',
      `\ufeff${JSON.stringify(ec.publicJwk, null, 2).replaceAll('\n', '\r\n')}`,
    ],
  ])('%s is read over', (_name, text) => {
    expect(published(parse(text))).toEqual([expected(ec.publicJwk)]);
  });

  test('the alg of the source goes to RSA keys that name none', () => {
    const text = `${spki(rsa.publicJwk)}${ecPem}`;
    expect(parse(text, { rsaAlg: 'RS512' }).keys.map((key) => key.jwk.alg)).toEqual(['RS512', 'ES256']);
  });
});

describe('certificates', () => {
  const self = makeCertificate({
    subject: 'root',
    publicKey: publicKeyOf(rsa.publicJwk),
    signer: privateKeyOf(rsa.privateJwk),
  });
  const leaf = makeCertificate({
    subject: 'leaf',
    issuer: 'root',
    publicKey: publicKeyOf(ec.publicJwk),
    signer: privateKeyOf(rsa.privateJwk),
  });

  test('one gives its key and stays beside it', () => {
    const [key] = parse(certificatePem(self)).keys;
    expect(key?.jwk).toMatchObject({ ...rsa.publicJwk, x5c: [self.toString('base64')] });
  });

  test('a chain is one key: the authority does not become a signer', () => {
    const set = parse(`${certificatePem(leaf)}${certificatePem(self)}`);
    expect(set.keys).toHaveLength(1);
    expect(set.keys[0]?.jwk).toMatchObject({
      ...ec.publicJwk,
      x5c: [leaf.toString('base64'), self.toString('base64')],
    });
  });

  test('certificates that did not issue each other are keys of their own, even of one name', () => {
    const namesake = makeCertificate({
      subject: 'root',
      publicKey: publicKeyOf(ec.publicJwk),
      signer: privateKeyOf(ec.privateJwk),
    });
    expect(parse(`${certificatePem(namesake)}${certificatePem(self)}`).keys).toHaveLength(2);
  });
});

describe('private keys', () => {
  const forms = [
    ['PKCS#8', pkcs8(ec.privateJwk), ec],
    ['PKCS#8 Ed25519', pkcs8(pairs.Ed25519.privateJwk), pairs.Ed25519],
    ['SEC1', privateKeyOf(ec.privateJwk).export({ type: 'sec1', format: 'pem' }).toString(), ec],
    ['PKCS#1', privateKeyOf(rsa.privateJwk).export({ type: 'pkcs1', format: 'pem' }).toString(), rsa],
    ['JWK', JSON.stringify(ec.privateJwk), ec],
    ['JWK Set', JSON.stringify({ keys: [rsa.privateJwk] }), rsa],
  ] as const;
  const sec1 = forms[2][1];
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';

  test.each([...forms, ['SEC1 behind EC PARAMETERS', `${parameters}${sec1}`, ec] as const])(
    '%s gives its public half and a warning that names the file',
    (_name, text, pair) => {
      const set = parse(text);
      expect(published(set)).toEqual([expected(pair.publicJwk)]);
      expect(set.warnings).toEqual([
        expect.objectContaining({ code: 'private_material', detail: expect.stringContaining('keys/a.pem') }),
      ]);
      for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi']) {
        const secret = pair.privateJwk[name];
        if (secret !== undefined) expect(JSON.stringify(set)).not.toContain(secret);
      }
    },
  );
});

describe('what cannot be read says what to do', () => {
  const passphrase = { cipher: 'aes-256-cbc', passphrase: 'secret' } as const;
  const key = privateKeyOf(rsa.privateJwk);
  const body = ecPem.split('\n')[1] ?? '';
  const sshBlob = 'AAAAC3NzaC1lZDI1NTE5AAAAIC1ob9QsorqZpPVW8k6TK5yaUk4Fvsy92EUpO7qdPWpY';

  test.each([
    ['nothing', '', 'empty'],
    ['white space', ' \n\t\n', 'empty'],
    ['prose', 'hello', 'neither'],
    ['UTF-16', Buffer.from(`\ufeff${ecPem}`, 'utf16le'), 'UTF-16'],
    ['DER', publicKeyOf(rsa.publicJwk).export({ type: 'spki', format: 'der' }), 'DER'],
    ['random bytes', Buffer.from([0x80, 0x81]), 'not UTF-8'],
    ['literal line breaks', ecPem.replaceAll('\n', String.raw`\n`), 'real line break'],
    ['literal line breaks in quotes', JSON.stringify(ecPem).replaceAll('"', "'"), 'real line break'],
    ['literal line breaks in the body', ecPem.replace(body, `${body}\\n`), 'real line break'],
    ['lost line breaks', ecPem.replaceAll('\n', ' '), 'line breaks'],
    ['indentation', ecPem.replaceAll(/^/gm, '  '), 'indented'],
    ['an indented body', ecPem.replace(body, `\t${body}`), 'indented'],
    ['a PEM cut off', ecPem.slice(0, 60), 'END'],
    ['a second block before the end of the first', `${ecPem.slice(0, 60)}\n${ecPem}`, 'END'],
    ['a body that is not base64', ecPem.replace(body, '*'.repeat(64)), 'base64'],
    ['an empty body', ecPem.replace(/\n[^-]+\n/, '\n'), 'base64'],
    ['a damaged body', ecPem.replace(body, 'A'.repeat(64)), 'damaged'],
    ['encrypted PKCS#8', key.export({ type: 'pkcs8', format: 'pem', ...passphrase }).toString(), '-pubout'],
    ['encrypted PKCS#1', key.export({ type: 'pkcs1', format: 'pem', ...passphrase }).toString(), '-pubout'],
    [
      'an OpenSSH private key',
      '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----',
      '.pub',
    ],
    [
      'a request',
      '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----',
      'not a key',
    ],
    [
      'parameters alone',
      '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----',
      'no key',
    ],
    ['an OpenSSH key cut off', `ssh-ed25519 ${sshBlob.slice(0, 40)} me`, 'cut off'],
    ['an OpenSSH key of two minds', `ssh-rsa ${sshBlob} me`, 'cut off'],
    ['broken JSON', '{"keys": [', 'not JSON'],
    ['a JSON array', JSON.stringify([ec.publicJwk]), '{"keys"'],
    ['JSON of something else', '{"name":"jwksd"}', '"kty"'],
    ['keys that are no array', '{"keys":{}}', 'not an array'],
    ['a deep nest', '{"keys":['.repeat(200_000), 'nests deeper'],
  ])('%s', (_name, content, words) => {
    const set = parse(content);
    expect(set.rejected[0]).toMatchObject({ reason: 'malformed', detail: expect.stringContaining(words) });
    expect(set.rejectedCounts.malformed).toBeGreaterThan(0);
  });

  test('a key no JWK exists for is named as such', () => {
    const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey;
    const p224 = generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey;
    expect(parse(pem(pss)).rejectedCounts).toEqual({ unsupported_kty: 1 });
    expect(parse(pem(p224)).rejectedCounts).toEqual({ unsupported_crv: 1 });
    expect(
      parse('sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t me').rejectedCounts,
    ).toEqual({
      unsupported_kty: 1,
    });
  });

  test('a bad block does not cost the good ones', () => {
    const set = parse(`${ecPem.replace(body, 'AAAA')}${spki(rsa.publicJwk)}`);
    expect(published(set)).toEqual([expected(rsa.publicJwk)]);
    expect(set.rejected).toEqual([expect.objectContaining({ index: 0, reason: 'malformed' })]);
  });

  test('a set without keys is no error and no key', () => {
    expect(parse('{"keys":[]}')).toEqual({ keys: [], rejected: [], rejectedCounts: {}, warnings: [] });
  });

  test.each([
    ['PEM', `${ecPem}${spki(rsa.publicJwk)}${spki(pairs.Ed25519.publicJwk)}`],
    ['JWK Set', JSON.stringify({ keys: [ec, rsa, pairs.Ed25519].map((pair) => pair.publicJwk) })],
    ['OpenSSH', `ssh-ed25519 ${sshBlob}\n# a comment\n`.repeat(3)],
  ])('%s: keys beyond maxKeys are counted', (_name, text) => {
    const set = parse(text, { maxKeys: 1 });
    expect(set.keys).toHaveLength(1);
    expect(set.rejectedCounts).toEqual({ over_limit: 2 });
  });
});
