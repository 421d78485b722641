import { createHash } from 'node:crypto';
import type { PublishedKey, SetSnapshot, Snapshot } from '../keyring/snapshot.ts';
import { kidDigest } from '../jwk/kid-digest.ts';

/** A key as the landing page tells of it. */
export interface KeyListing {
  readonly kid?: string;
  readonly kty: string;
  readonly alg?: string;
  readonly thumbprint: string;
  /** Its PEM under the first PEM directory of the set; absent where there is none. */
  readonly pem?: string;
}

/** A set as the landing page tells of it. */
export interface SetListing {
  readonly name: string;
  readonly profile: string;
  readonly jwks: readonly string[];
  readonly pemDirectories: readonly string[];
  readonly available: boolean;
  /** Required sources that have no keys to give. */
  readonly missing: readonly string[];
  readonly keyCount: number;
  /** The first of the keys. */
  readonly keys: readonly KeyListing[];
}

/** What the server publishes, for people and for scripts. */
export interface Listing {
  readonly ready: boolean;
  readonly sets: readonly SetListing[];
  /** Source states, by name. */
  readonly sources: Readonly<Record<string, string>>;
}

/** A page is for reading: a set of 10,000 keys shows this many, and the JWK Set has all of them. */
const shownKeys = 100;

const listKey = (set: SetSnapshot, { key, pem }: PublishedKey, base: string): KeyListing => {
  const { kid, kty, alg } = key.jwk;
  const [directory] = set.pemPaths;
  const slash = directory?.endsWith('/') === true ? '' : '/';
  const file = `${kidDigest(kid ?? key.thumbprint)}.pem`;
  return {
    ...(kid === undefined ? {} : { kid }),
    kty,
    ...(alg === undefined ? {} : { alg }),
    thumbprint: key.thumbprint,
    ...(directory === undefined || pem === undefined ? {} : { pem: `${base}${directory}${slash}${file}` }),
  };
};

/** Lists what is published. Addresses start with `publicUrl` where there is one. */
export const listPublished = (snapshot: Snapshot, publicUrl: string | null): Listing => {
  const base = (publicUrl ?? '').replace(/\/+$/u, '');
  const sets = [...snapshot.sets.values()].map((set) => ({
    name: set.name,
    profile: set.profile,
    jwks: set.paths.map((path) => base + path),
    pemDirectories: set.pemPaths.map((path) => base + path),
    available: set.document !== undefined,
    missing: set.missing,
    keyCount: set.keys.length,
    keys: set.keys.slice(0, shownKeys).map((key) => listKey(set, key, base)),
  }));
  return { ready: snapshot.readiness.ready, sets, sources: snapshot.readiness.sources };
};

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text that is safe between tags and inside quoted attributes. */
const escape = (text: string): string => text.replaceAll(/[&<>"']/gu, (char) => entities[char] ?? '');

const style = `
:root { color-scheme: light dark; --line: #8886; --quiet: #777; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: left; vertical-align: top; }
caption { text-align: left; color: var(--quiet); padding: .3rem .5rem; }
`;

/** Allows the page its own style sheet and nothing else. */
export const contentSecurityPolicy = [
  `default-src 'none'`,
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  `base-uri 'none'`,
  `form-action 'none'`,
  `frame-ancestors 'none'`,
].join('; ');

const link = (address: string, text: string): string =>
  `<a href="${escape(address)}"><code>${escape(text)}</code></a>`;

const keyRow = (key: KeyListing): string =>
  [
    `<tr><td><code>${escape(key.kid ?? '(none)')}</code></td>`,
    `<td>${escape(key.alg ?? key.kty)}</td>`,
    `<td><code>${escape(key.thumbprint)}</code></td>`,
    `<td>${key.pem === undefined ? '' : link(key.pem, 'PEM')}</td></tr>`,
  ].join('');

const setSection = (set: SetListing): string => {
  const more = set.keyCount - set.keys.length;
  const caption = `${set.keyCount} ${set.keyCount === 1 ? 'key' : 'keys'}${more > 0 ? `, ${more} of them not shown` : ''}`;
  const state = [
    ...(set.available ? [] : ['<p><strong>Not available:</strong> there is nothing to publish now.</p>']),
    ...(set.missing.length > 0
      ? [`<p><strong>Incomplete:</strong> no keys from ${set.missing.map(escape).join(', ')}.</p>`]
      : []),
  ];
  return [
    `<section><h2>${escape(set.name)}</h2>`,
    ...state,
    `<p>JWK Set: ${set.jwks.map((address) => link(address, address)).join(', ')}</p>`,
    ...(set.pemDirectories.length > 0
      ? [
          `<p>PEM by kid digest below: ${set.pemDirectories.map((path) => `<code>${escape(path)}</code>`).join(', ')}</p>`,
        ]
      : []),
    `<table><caption>${caption}</caption>`,
    '<thead><tr><th scope="col">kid</th><th scope="col">Algorithm</th><th scope="col">Thumbprint</th><th scope="col">PEM</th></tr></thead>',
    `<tbody>${set.keys.map(keyRow).join('')}</tbody></table></section>`,
  ].join('\n');
};

/** The landing page as one HTML document without scripts. Every name in it is escaped. */
export const renderLandingPage = (listing: Listing): string =>
  [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>Public keys</title><style>${style}</style></head><body><main>`,
    '<h1>Public keys</h1>',
    `<p>This server publishes public keys for verifying tokens. It is ${listing.ready ? 'ready' : '<strong>not ready</strong>'}.</p>`,
    ...listing.sets.map(setSection),
    '<section><h2>Sources</h2><ul>',
    ...Object.entries(listing.sources).map(([name, state]) => `<li>${escape(name)}: ${escape(state)}</li>`),
    '</ul></section></main></body></html>',
    '',
  ].join('\n');
