/** The clients whose limits are known (docs/opencast.md, docs/jitsi.md). */
export const clients = ['opencast', 'octoka', 'jitsi', 'generic'] as const;

/** One of {@link clients}. */
export type Client = (typeof clients)[number];

/** What lint knows of one thing it can find. */
export interface Rule {
  readonly level: 'error' | 'warning';
  /** The client that stumbles; absent when any of them may. */
  readonly client?: Client;
  /** What is wrong, in general. */
  readonly title: string;
  /** What to do about it. */
  readonly help: string;
}

/**
 * What lint can find, by its stable code.
 *
 * An error breaks a JWK Set for everybody or leaks a secret; a warning names a client that stumbles, or a habit that
 * ends badly.
 */
export const lintRules = {
  'not-utf8': {
    level: 'error',
    title: 'The document is not UTF-8',
    help: 'Save it as UTF-8 (RFC 8259 §8.1).',
  },
  'byte-order-mark': {
    level: 'error',
    title: 'The document begins with a byte order mark',
    help: 'Save it without one (RFC 8259 §8.1); most JSON parsers refuse it.',
  },
  html: {
    level: 'error',
    title: 'The document is HTML or XML',
    help: 'Look at the path: this is the page of a web site or a proxy, not the JWK Set.',
  },
  'not-json': {
    level: 'error',
    title: 'The document is not JSON',
    help: 'Repair the JSON at the position told, or write the set anew with jwksd jwks build.',
  },
  comment: {
    level: 'error',
    title: 'The document has comments',
    help: 'Remove them: JSON has none (RFC 8259).',
  },
  'keys-missing': {
    level: 'error',
    title: 'The document is not a JWK Set',
    help: 'Wrap the keys as {"keys": [...]} (RFC 7517 §5), for example with jwksd jwks build.',
  },
  'private-members': {
    level: 'error',
    title: 'A private key is published',
    help: 'Take the document away at once, replace the key, and publish only public members.',
  },
  'symmetric-key': {
    level: 'error',
    title: 'A symmetric key is published',
    help: 'Take the document away at once and replace the secret; a JWK Set holds public keys.',
  },
  'malformed-key': {
    level: 'error',
    title: 'A key cannot be read',
    help: 'Make its members anew from the key file, for example with jwksd jwks build.',
  },
  'null-member': {
    level: 'error',
    title: 'A member is null',
    help: 'Leave the member out; typed parsers refuse null.',
  },
  'alg-mismatch': {
    level: 'error',
    title: 'alg does not work with the key',
    help: 'Name an algorithm of this kty and crv (RFC 7518 §3.1), or leave alg out.',
  },
  'certificate-mismatch': {
    level: 'error',
    title: 'x5c is not a certificate of the key',
    help: 'Remove x5c, or put the certificate of this very key first (RFC 7517 §4.7).',
  },
  'duplicate-kid': {
    level: 'error',
    title: 'Several keys of one kty have one kid',
    help: 'Give each key a kid of its own (RFC 7517 §4.5); the thumbprint is one.',
  },
  'weak-key': {
    level: 'error',
    title: 'A signature of this key proves nothing',
    help: 'Replace the key: its numbers let anybody forge signatures.',
  },
  'rsa-too-small': {
    level: 'warning',
    title: 'An RSA key is shorter than 2048 bits',
    help: 'Replace it with one of at least 2048 bits (RFC 7518 §3.3).',
  },
  'rsa-too-large': {
    level: 'warning',
    title: 'An RSA key is longer than 8192 bits',
    help: 'Replace it with one of at most 8192 bits; many verifiers refuse longer ones.',
  },
  'unsupported-kty': {
    level: 'warning',
    title: 'A key type few clients know',
    help: 'Publish it in a set of its own: some clients refuse the whole set over it.',
  },
  'unsupported-crv': {
    level: 'warning',
    title: 'A curve few clients know',
    help: 'Publish it in a set of its own: some clients refuse the whole set over it.',
  },
  'bad-kid': {
    level: 'warning',
    title: 'A kid no client can ask for',
    help: 'Use a string of at most 1024 bytes without control characters.',
  },
  'kid-not-thumbprint': {
    level: 'warning',
    title: 'kids are not thumbprints',
    help: 'Name keys by their thumbprint (RFC 7638), so that one name never stands for two keys.',
  },
  'kid-reused': {
    level: 'warning',
    title: 'A kid stands for another key than before',
    help: 'Give the new key a kid of its own: clients that keep the old one refuse its tokens.',
  },
  'empty-set': {
    level: 'warning',
    title: 'The set has no keys',
    help: 'Publish a key, or answer 503: clients drop the keys they hold.',
  },
  'akp-key': {
    level: 'warning',
    client: 'generic',
    title: 'A key of type AKP (ML-DSA)',
    help: 'Publish it in a set of its own: several libraries refuse the whole set over it.',
  },
  'alg-ed25519': {
    level: 'warning',
    client: 'octoka',
    title: 'alg is Ed25519',
    help: 'Write EdDSA (RFC 8037 §3.1): Octoka does not know the newer name.',
  },
  'mixed-kty': {
    level: 'warning',
    client: 'opencast',
    title: 'Keys of several kty',
    help: 'Publish one kty per set for Opencast 19, which fails on a mixture.',
  },
  'too-large': {
    level: 'warning',
    client: 'opencast',
    title: 'The document has 51,200 bytes or more',
    help: 'Remove old keys and certificates: Opencast 19 reads no more.',
  },
  'alg-missing': {
    level: 'warning',
    client: 'opencast',
    title: 'A key has no alg',
    help: 'Add it: Opencast up to 18 needs it.',
  },
  'top-bit': {
    level: 'warning',
    client: 'opencast',
    title: 'A coordinate begins with a set bit',
    help: 'Make another key (jwksd keys generate --for opencast --compat legacy), or use Opencast 19.',
  },
  'not-rsa': {
    level: 'warning',
    client: 'jitsi',
    title: 'A key is not RSA',
    help: 'Publish RSA keys alone for Jitsi, which verifies nothing else.',
  },
  'kid-missing': {
    level: 'warning',
    client: 'jitsi',
    title: 'A key has no kid',
    help: 'Add it: Jitsi finds keys by their kid only.',
  },
  'foreign-member': {
    level: 'warning',
    client: 'jitsi',
    title: 'A number or an object beside keys',
    help: "Remove it: it ends the refreshing of Prosody's plugin.",
  },
  'cache-missing': {
    level: 'warning',
    title: 'No header says how long the answer may be kept',
    help: 'Send Cache-Control with a max-age of some minutes (RFC 9111 §5.2.2.1).',
  },
  'cache-hostile': {
    level: 'warning',
    title: 'The answer may not be kept',
    help: 'Send Cache-Control with a max-age of some minutes; otherwise each verification may fetch the set again.',
  },
  redirect: {
    level: 'warning',
    title: 'The URL redirects',
    help: "Configure clients with the last URL: Octoka and Jitsi's Prosody do not follow redirects.",
  },
  'plain-http': {
    level: 'warning',
    title: 'Keys over plain http',
    help: 'Serve them over https: whoever is on the way can add a key, and Octoka refuses http off loopback.',
  },
  slow: {
    level: 'warning',
    client: 'opencast',
    title: 'The answer took longer than 500 ms',
    help: 'Serve the set from a cache near the client: Opencast 19 waits half a second.',
  },
  compressed: {
    level: 'warning',
    title: 'The answer is compressed, which nobody asked for',
    help: 'Compress only where Accept-Encoding asks for it (RFC 9110 §12.5.3).',
  },
} as const satisfies Record<string, Rule>;

/** A code of {@link lintRules}. */
export type LintCode = keyof typeof lintRules;
