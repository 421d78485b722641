import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { calculateJwkThumbprint } from 'jose';
import type { ClientId } from '../../src/cli/doctor/model.ts';
import { digestOf } from '../acceptance/signer.ts';
import { makeCertificate } from './certificate.ts';
import { byPath, ok, redirect, status, type Handler } from './upstream.ts';

/** A key as it is published. */
export type PublishedJwk = JsonWebKey & { readonly kid: string };

/** What healthy servers send. */
export const goodHeaders = {
  'content-type': 'application/jwk-set+json',
  'cache-control': 'public, max-age=300',
  'access-control-allow-origin': '*',
};

const named = async (jwk: JsonWebKey, alg: string): Promise<PublishedJwk> => ({
  ...jwk,
  kid: await calculateJwkThumbprint(jwk),
  use: 'sig',
  alg,
});

const clear = (coordinate: string | undefined): boolean =>
  (Buffer.from(coordinate ?? '', 'base64url')[0] ?? 0) < 0x80;

/** A P-256 key; `topBits` says whether x or y begins with a set bit, which one pair in four is free of. */
export const makeEc = (topBits: boolean): { publicJwk: JsonWebKey; privateJwk: JsonWebKey } => {
  for (;;) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const publicJwk = publicKey.export({ format: 'jwk' });
    if ((clear(publicJwk.x) && clear(publicJwk.y)) !== topBits)
      return { publicJwk, privateJwk: privateKey.export({ format: 'jwk' }) };
  }
};

const ecPair = makeEc(false);
const rsaPair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = await named(ecPair.publicJwk, 'ES256');
const otherEc = await named(makeEc(false).publicJwk, 'ES256');
const rsa = await named(rsaPair.publicKey.export({ format: 'jwk' }), 'RS256');
const otherRsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
const otherRsa = await named(otherRsaKey.export({ format: 'jwk' }), 'RS256');
const ed = await named(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }), 'EdDSA');
const smallRsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
const foreign = makeCertificate({
  subject: 'other',
  publicKey: otherRsaKey,
  signer: rsaPair.privateKey,
}).toString('base64');

/** The clients that a healthy EC set serves, and those of a healthy RSA set with its PEMs. */
const readers = {
  ec: ['octoka@1.2', 'octoka@1.3', 'opencast@18', 'opencast@19', 'generic'],
  rsa: ['octoka@1.3', 'opencast@18', 'opencast@19', 'jitsi@set', 'jitsi@pem', 'generic'],
} as const satisfies Record<string, readonly ClientId[]>;

/** One thing wrong with a key server that is healthy otherwise. */
export interface Defect {
  readonly name: string;
  /** Clients that are well without the defect. */
  readonly readers: readonly ClientId[];
  readonly handler: Handler;
  /** The clients that get no usable key, and the code that says why. */
  readonly sick: Partial<Record<ClientId, string>>;
  /** The clients that have something to say and a key all the same. */
  readonly odd: Partial<Record<ClientId, string>>;
  /** What is said of the set itself, beside the clients. */
  readonly findings: readonly string[];
}

const pemOf = (key: typeof otherRsaKey): string => key.export({ type: 'spki', format: 'pem' }).toString();
const pemHeaders = { 'content-type': 'application/x-pem-file' };
const goodPem = ok(pemOf(rsaPair.publicKey), pemHeaders);
const pemPath = `/certs/${digestOf(rsa.kid)}.pem`;
const doubledPath = `/certs//${digestOf(rsa.kid)}.pem`;

const serve = (set: Handler, pem: Handler = goodPem, doubled: Handler = pem): Handler =>
  byPath({ '/jwks.json': set, [pemPath]: pem, [doubledPath]: doubled, '/moved.json': good(ec) });

const good = (...keys: readonly unknown[]): Handler => ok({ keys }, goodHeaders);
const text = (body: string | Buffer, headers: Readonly<Record<string, string>> = {}): Handler =>
  ok(body, { ...goodHeaders, ...headers });
const without = (name: keyof typeof goodHeaders): Handler => {
  const headers: Record<string, string> = { ...goodHeaders };
  delete headers[name];
  // The fake upstream has a content type of its own.
  return (_request, response) => response.writeHead(200, headers).end(JSON.stringify({ keys: [ec] }));
};

type Hurts = Partial<Record<ClientId, string>>;

const all = (code: string, clients: readonly ClientId[]): Hurts =>
  Object.fromEntries(clients.map((client) => [client, code]));

const forEc = (
  name: string,
  set: Handler,
  sick: Hurts,
  odd: Hurts = {},
  ...findings: readonly string[]
): Defect => ({
  name,
  readers: readers.ec,
  handler: serve(set),
  sick,
  odd,
  findings,
});

const forRsa = (
  name: string,
  handler: Handler,
  sick: Hurts,
  odd: Hurts = {},
  ...findings: readonly string[]
): Defect => ({
  name,
  readers: readers.rsa,
  handler,
  sick,
  odd,
  findings,
});

const ecText = JSON.stringify({ keys: [ec] });
const rsaText = JSON.stringify({ keys: [rsa] });
const octokas = ['octoka@1.2', 'octoka@1.3'] as const;
const opencasts = ['opencast@18', 'opencast@19'] as const;
const { d } = ecPair.privateJwk;

/** Nothing wrong at all, for both kinds of set. */
export const healthy: readonly Defect[] = [
  forEc('nothing (EC)', good(ec), {}),
  forRsa('nothing (RSA)', serve(good(rsa)), {}),
];

/** Every defect of the lint list and of what is known of the clients, one at a time. */
export const defects: readonly Defect[] = [
  forEc('private members', good({ ...ec, d }), { generic: 'private-members' }, {}, 'private-members'),
  forEc(
    'a symmetric key beside',
    good(ec, { kty: 'oct', k: 'c2VjcmV0', kid: 'o' }),
    { 'opencast@19': 'mixed-kty' },
    all('symmetric-key', [...octokas, 'opencast@18', 'generic']),
    'symmetric-key',
  ),
  forEc('not JSON', text('keys'), all('not-json', readers.ec)),
  forEc('HTML', text('<html>'), all('html', readers.ec)),
  forEc('a byte order mark', text(`\uFEFF${ecText}`), all('byte-order-mark', octokas), {}, 'byte-order-mark'),
  forRsa(
    'a byte order mark, for Prosody',
    serve(text(`\uFEFF${rsaText}`)),
    { 'octoka@1.3': 'byte-order-mark', 'jitsi@set': 'byte-order-mark' },
    {},
    'byte-order-mark',
  ),
  forEc('a comment', text(`// made by hand\n${ecText}`), all('comment', readers.ec), {}, 'comment'),
  forEc('no keys member', text('{"key":[]}'), all('keys-missing', readers.ec)),
  forEc(
    'an empty set',
    good(),
    { ...all('no-usable-key', readers.ec), 'opencast@18': 'empty-set' },
    {},
    'empty-set',
  ),
  forEc(
    'two keys with one kid',
    good(ec, { ...otherEc, kid: ec.kid }),
    { generic: 'duplicate-kid' },
    all('duplicate-kid', octokas),
    'duplicate-kid',
    'kid-not-thumbprint',
  ),
  forEc(
    'alg against the key',
    good({ ...ec, alg: 'ES384' }),
    all('alg-mismatch', [...octokas, 'opencast@18', 'generic']),
    {},
    'alg-mismatch',
  ),
  forRsa(
    'a certificate of another key',
    serve(good({ ...rsa, x5c: [foreign] })),
    { 'opencast@19': 'certificate-mismatch' },
    {},
    'certificate-mismatch',
  ),
  forEc(
    'alg null',
    good({ ...ec, alg: null }),
    { 'opencast@18': 'alg-missing', generic: 'null-member' },
    {},
    'null-member',
  ),
  forEc(
    'x null',
    good({ ...ec, x: null }),
    all('malformed-key', readers.ec),
    {},
    'null-member',
    'malformed-key',
  ),
  forEc(
    'a malformed key beside a good one',
    good(ec, { ...otherEc, y: ec.y }),
    { 'opencast@19': 'malformed-key' },
    all('malformed-key', [...octokas, 'opencast@18', 'generic']),
    'malformed-key',
  ),
  forEc('an entry that is no object', good(ec, 'key'), all('malformed-key', readers.ec), {}, 'malformed-key'),
  forEc(
    'a kid that is a number',
    good({ ...ec, kid: 7 }),
    all('bad-kid', [...octokas, ...opencasts]),
    { generic: 'bad-kid' },
    'bad-kid',
  ),
  forEc('an unknown use', good({ ...ec, use: 'signature' }), {
    ...all('malformed-key', octokas),
    generic: 'not-signature',
  }),
  forEc(
    'an encryption key',
    good(ec, { ...otherEc, use: 'enc', alg: 'ECDH-ES' }),
    {},
    { ...all('not-signature', [...octokas, 'opencast@19', 'generic']), 'opencast@18': 'alg-mismatch' },
  ),
  forEc(
    'keys of two types',
    good(ec, rsa),
    { 'opencast@19': 'mixed-kty' },
    { 'octoka@1.2': 'unsupported-kty' },
  ),
  forEc('RSA only, for the older Octoka', good(rsa), { 'octoka@1.2': 'unsupported-kty' }),
  forEc('51,200 bytes', text(ecText.padEnd(51_200)), { 'opencast@19': 'too-large' }),
  forEc('alg missing', good({ ...ec, alg: undefined }), { 'opencast@18': 'alg-missing' }),
  forEc('top bits', good(await named(makeEc(true).publicJwk, 'ES256')), { 'opencast@18': 'top-bit' }),
  forEc('alg Ed25519', good({ ...ed, alg: 'Ed25519' }), {
    ...all('alg-ed25519', octokas),
    'opencast@18': 'unsupported-kty',
  }),
  forRsa('an EC key for Prosody', serve(good(rsa, ec)), {
    'jitsi@set': 'not-rsa',
    'opencast@19': 'mixed-kty',
  }),
  forRsa('a key without kid', serve(good({ ...rsa, kid: undefined })), {
    'jitsi@set': 'kid-missing',
    'jitsi@pem': 'no-pem',
  }),
  forRsa(
    'an empty n',
    serve(good(rsa, { ...otherRsa, n: '' })),
    { 'jitsi@set': 'malformed-key', 'opencast@19': 'malformed-key' },
    { ...all('malformed-key', ['octoka@1.3', 'opencast@18', 'generic']), 'jitsi@pem': 'status' },
    'malformed-key',
  ),
  forEc('a kid that is not the thumbprint', good({ ...ec, kid: 'moodle' }), {}, {}, 'kid-not-thumbprint'),
  forRsa(
    'RSA-1024',
    serve(good({ ...smallRsa, kid: 'small', use: 'sig', alg: 'RS256' })),
    { 'octoka@1.3': 'weak-key', 'jitsi@pem': 'no-pem', generic: 'rsa-too-small' },
    { ...all('rsa-too-small', opencasts), 'jitsi@set': 'rsa-too-small' },
    'rsa-too-small',
  ),
  forEc(
    'an AKP key beside',
    good(ec, { kty: 'AKP', alg: 'ML-DSA-44', pub: Buffer.alloc(1312, 7).toString('base64url'), kid: 'pq' }),
    { 'octoka@1.2': 'akp-key' },
    all('akp-key', ['octoka@1.3', ...opencasts, 'generic']),
    'kid-not-thumbprint',
  ),
  forEc(
    'a type nobody knows beside',
    good(ec, { kty: 'XYZ', kid: 'x' }),
    { 'octoka@1.2': 'unsupported-kty' },
    all('unsupported-kty', ['octoka@1.3', ...opencasts, 'generic']),
    'unsupported-kty',
  ),
  forEc('no caching headers', without('cache-control'), {}, { generic: 'cache-missing' }),
  forEc('no-store', text(ecText, { 'cache-control': 'no-store' }), {}, { generic: 'cache-hostile' }),
  forEc('max-age=0', text(ecText, { 'cache-control': 'max-age=0' }), {}, { generic: 'cache-hostile' }),
  forRsa(
    'max-age=0, for Prosody',
    serve(text(rsaText, { 'cache-control': 'max-age=0' })),
    {},
    { 'jitsi@set': 'cache-hostile', generic: 'cache-hostile' },
  ),
  forRsa(
    'max-age=61',
    serve(text(rsaText, { 'cache-control': 'max-age=61' })),
    {},
    { 'jitsi@set': 'short-refresh' },
  ),
  forEc(
    'the wrong content type',
    text(ecText, { 'content-type': 'text/html' }),
    {},
    { generic: 'content-type' },
  ),
  forEc('no CORS', without('access-control-allow-origin'), {}, { generic: 'no-cors' }),
  forEc(
    'a redirect',
    redirect('/moved.json'),
    all('redirect', [...octokas, 'generic']),
    all('redirect', opencasts),
  ),
  forEc(
    'compression nobody asked for',
    text(gzipSync(ecText), { 'content-encoding': 'gzip' }),
    all('compressed', [...octokas, ...opencasts]),
  ),
  forEc('503', status(503), all('status', readers.ec)),
  forEc('404', status(404), all('status', readers.ec)),
  forRsa('a number beside keys', serve(text(JSON.stringify({ keys: [rsa], version: 3 }))), {
    'jitsi@set': 'foreign-member',
  }),
  forRsa('a PEM that is a page', serve(good(rsa), ok('<html>please wait</html>')), {
    'jitsi@pem': 'not-pem',
  }),
  forRsa(
    'a PEM that is a certificate',
    serve(good(rsa), ok(`-----BEGIN CERTIFICATE-----\n${foreign}\n-----END CERTIFICATE-----\n`)),
    { 'jitsi@pem': 'not-pem' },
  ),
  forRsa(
    'a PEM in the form of PKCS#1',
    serve(good(rsa), ok(rsaPair.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString())),
    { 'jitsi@pem': 'not-pem' },
  ),
  forRsa('a PEM of another key', serve(good(rsa), ok(pemOf(otherRsaKey))), {}, { 'jitsi@pem': 'kid-reused' }),
  forRsa('no PEM at all', serve(good(rsa), status(404)), { 'jitsi@pem': 'no-pem' }),
  forRsa(
    'no PEM behind a double slash',
    serve(good(rsa), goodPem, status(404)),
    {},
    { 'jitsi@pem': 'double-slash' },
  ),
];
