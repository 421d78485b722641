import { hash } from 'node:crypto';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { writeJsonList } from '../jwk/json-list.ts';
import type { Key } from '../jwk/key.ts';
import { kidDigest } from '../jwk/kid-digest.ts';
import { sha256 } from '../jwk/sha256.ts';
import type { Chosen } from './merge.ts';
import type { PublishedKey, Rendition, SetDocument, SetSnapshot } from './snapshot.ts';

/** The answers of a set as bytes. */
export interface Rendered {
  readonly identity: Rendition;
  readonly keys: readonly PublishedKey[];
  readonly byName: ReadonlyMap<string, readonly PublishedKey[]>;
  readonly byDigest: ReadonlyMap<string, readonly PublishedKey[]>;
}

/** A strong validator of the bytes with this SHA-256: the same on every replica and after every restart. */
const etagOf = (digest: string): string => `"${digest.slice(0, 27)}"`;

const rendition = (text: string): Rendition => ({
  body: Buffer.from(text),
  etag: etagOf(hash('sha256', text, 'base64url')),
});

/** A key of a set; the bytes of its own documents are made when they are first asked for, which most never are. */
class Published implements PublishedKey {
  readonly key: Key;
  readonly source: string;
  readonly json: string;
  readonly firstSeen: number;
  readonly lastChanged: number;
  #jwk: Rendition | undefined;
  #pem: Rendition | undefined;

  constructor({ key, source, json }: Chosen, earlier: PublishedKey | undefined, wall: number) {
    this.key = key;
    this.source = source;
    this.json = json;
    this.firstSeen = earlier?.firstSeen ?? wall;
    this.lastChanged = earlier?.json === json ? earlier.lastChanged : wall;
  }

  get jwk(): Rendition {
    this.#jwk ??= rendition(this.json);
    return this.#jwk;
  }

  get pem(): Rendition | undefined {
    if (this.#pem !== undefined) return this.#pem;
    const { pem } = this.key;
    this.#pem = pem === undefined ? undefined : rendition(pem);
    return this.#pem;
  }
}

/** Adds a key, alone in its list, to those of a name. */
const add = (
  map: Map<string, readonly PublishedKey[]>,
  name: string,
  alone: readonly [PublishedKey],
): void => {
  const others = map.get(name);
  if (others === undefined) map.set(name, alone);
  // A second name for the same material is no ambiguity.
  else if (others.every(({ key }) => key.thumbprint !== alone[0].key.thumbprint))
    map.set(name, [...others, ...alone]);
};

/** Writes a JWK Set and finds its keys their names, one by one; yields after each. `before` knows since when a key is published. */
export function* renderSet(
  chosen: readonly Chosen[],
  before: SetSnapshot | undefined,
  wall: number,
): Generator<void, Rendered, void> {
  const texts = chosen.map(({ json }) => json);
  const body = yield* writeJsonList('{"keys":[', texts, ']}');
  const etag = etagOf((yield* sha256(body)).toString('base64url'));
  const kids = new Set<string>();
  const lists: (readonly [PublishedKey])[] = [];
  const byName = new Map<string, readonly PublishedKey[]>();
  const byDigest = new Map<string, readonly PublishedKey[]>();
  const name = (text: string, alone: readonly [PublishedKey]): void => {
    add(byName, text, alone);
    add(byDigest, kidDigest(text), alone);
  };
  for (const one of chosen) {
    const { jwk, thumbprint } = one.key;
    const earlier = before?.byName
      .get(jwk.kid ?? thumbprint)
      ?.find((other) => other.key.thumbprint === thumbprint);
    const alone = [new Published(one, earlier, wall)] as const;
    lists.push(alone);
    if (jwk.kid !== undefined) {
      kids.add(jwk.kid);
      name(jwk.kid, alone);
    }
    yield;
  }
  // A thumbprint names its key too, unless some key has that text as its `kid`.
  for (const alone of lists) {
    const { thumbprint, jwk } = alone[0].key;
    if (!kids.has(thumbprint)) {
      if (jwk.kid === undefined) name(thumbprint, alone);
      else add(byName, thumbprint, alone);
    }
    yield;
  }
  return { identity: { body, etag }, keys: lists.map(([key]) => key), byName, byDigest };
}

const gzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip);
const brotli = promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliCompress);
/**
 * Key material hardly compresses: the best effort of either coding costs a new key tenths of a second and saves one
 * percent over these.
 */
const gzipLevel = 1;
/** Saves a tenth over quality 1 where there are few keys, and nothing where there are many. */
const brotliQuality = (size: number): number => (size < 65_536 ? 3 : 1);

/** Adds the compressed copies of a set, made off the event loop; a copy that is not smaller is left out. */
export const withCopies = async (identity: Rendition): Promise<SetDocument> => {
  const params = {
    [zlib.constants.BROTLI_PARAM_QUALITY]: brotliQuality(identity.body.length),
    [zlib.constants.BROTLI_PARAM_SIZE_HINT]: identity.body.length,
  };
  const copy = (body: Buffer, suffix: string): Rendition | undefined =>
    body.length < identity.body.length
      ? { body, etag: `${identity.etag.slice(0, -1)}-${suffix}"` }
      : undefined;
  // One after the other: requests need the other cores.
  const gz = copy(await gzip(identity.body, { level: gzipLevel, memLevel: 9 }), 'gz');
  const br = copy(await brotli(identity.body, { params }), 'br');
  return { identity, gzip: gz, br };
};
