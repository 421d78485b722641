import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { writeJsonList } from '../jwk/json-list.ts';
import { kidDigest } from '../jwk/kid-digest.ts';
import type { Chosen } from './merge.ts';
import type { PublishedKey, Rendition, SetDocument, SetSnapshot } from './snapshot.ts';

/** The answers of a set as bytes. */
export interface Rendered {
  readonly identity: Rendition;
  readonly keys: readonly PublishedKey[];
  readonly byName: ReadonlyMap<string, readonly PublishedKey[]>;
  readonly byDigest: ReadonlyMap<string, readonly PublishedKey[]>;
}

/** A strong validator of exactly these bytes: the same on every replica and after every restart. */
const etagOf = (body: Uint8Array): string =>
  `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;

const rendition = (body: Buffer): Rendition => ({ body, etag: etagOf(body) });

const add = (map: Map<string, PublishedKey[]>, name: string, key: PublishedKey): void => {
  const entry = map.get(name);
  if (entry === undefined) map.set(name, [key]);
  // A second name for the same material is no ambiguity.
  else if (entry.every((other) => other.key.thumbprint !== key.key.thumbprint)) entry.push(key);
};

const opening = '{"keys":[';

/** Writes a JWK Set and its keys, one by one; yields after each key. `before` knows since when a key is published. */
export function* renderSet(
  chosen: readonly Chosen[],
  before: SetSnapshot | undefined,
  wall: number,
): Generator<void, Rendered, void> {
  const texts = chosen.map(({ json }) => json);
  const body = yield* writeJsonList(opening, texts, ']}');
  const keys: PublishedKey[] = [];
  const byName = new Map<string, PublishedKey[]>();
  const byDigest = new Map<string, PublishedKey[]>();
  const name = (text: string, published: PublishedKey): void => {
    add(byName, text, published);
    add(byDigest, kidDigest(text), published);
  };
  let offset = opening.length;
  for (const { key, source, json } of chosen) {
    const end = offset + Buffer.byteLength(json);
    // A view of the set's own bytes: a set of thousands of keys is held once.
    const jwk = rendition(body.subarray(offset, end));
    const earlier = before?.byName
      .get(key.jwk.kid ?? key.thumbprint)
      ?.find((other) => other.key.thumbprint === key.thumbprint);
    const published: PublishedKey = {
      key,
      source,
      jwk,
      pem: key.pem === undefined ? undefined : rendition(Buffer.from(key.pem)),
      firstSeen: earlier?.firstSeen ?? wall,
      lastChanged: earlier?.jwk.etag === jwk.etag ? earlier.lastChanged : wall,
    };
    offset = end + 1;
    keys.push(published);
    if (key.jwk.kid !== undefined) name(key.jwk.kid, published);
    yield;
  }
  // A thumbprint names its key too, unless some key has that text as its `kid`.
  const kids = new Set(byName.keys());
  for (const published of keys) {
    const { thumbprint, jwk } = published.key;
    if (!kids.has(thumbprint)) {
      if (jwk.kid === undefined) name(thumbprint, published);
      else add(byName, thumbprint, published);
    }
    yield;
  }
  return { identity: rendition(body), keys, byName, byDigest };
}

const gzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip);
const brotli = promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliCompress);
/**
 * Key material hardly compresses: the best effort of either coding costs a new key tenths of a second and saves one
 * percent over these.
 */
const gzipLevel = 4;
const brotliQuality = 3;

/** Adds the compressed copies of a set, made off the event loop; a copy that is not smaller is left out. */
export const withCopies = async (identity: Rendition): Promise<SetDocument> => {
  const params = {
    [zlib.constants.BROTLI_PARAM_QUALITY]: brotliQuality,
    [zlib.constants.BROTLI_PARAM_SIZE_HINT]: identity.body.length,
  };
  const copies = await Promise.all([
    gzip(identity.body, { level: gzipLevel }),
    brotli(identity.body, { params }),
  ]);
  const [gz, br] = copies.map((body, index) => {
    if (body.length >= identity.body.length) return undefined;
    return { body, etag: `${identity.etag.slice(0, -1)}-${index === 0 ? 'gz' : 'br'}"` };
  });
  return { identity, gzip: gz, br };
};
