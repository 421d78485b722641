import type { Key } from '../jwk/key.ts';
import type { SourceState } from '../sources/source.ts';
import type { Profile } from './profiles.ts';

/** One body as it goes over the wire, with the strong validator that belongs to exactly these bytes (RFC 9110 §8.8.3). */
export interface Rendition {
  readonly body: Buffer;
  /** Quoted, ready for the header. */
  readonly etag: string;
}

/** A JWK Set in every encoding it is offered in. A copy is absent when it would not be smaller. */
export interface SetDocument {
  readonly identity: Rendition;
  readonly gzip: Rendition | undefined;
  readonly br: Rendition | undefined;
}

/** One key of a set with the answers it can give on its own. */
export interface PublishedKey {
  readonly key: Key;
  /** The source it was taken from. */
  readonly source: string;
  /** The JSON of this key in the set. */
  readonly json: string;
  /** `json` as bytes. */
  readonly jwk: Rendition;
  /** Absent when this runtime cannot write the key as PEM. */
  readonly pem: Rendition | undefined;
  /** Milliseconds since the epoch: when this process first published the key in this set. */
  readonly firstSeen: number;
  /** Milliseconds since the epoch: when its JWK last changed. */
  readonly lastChanged: number;
}

/** Why a key of a source is not in a set. */
export type WithheldReason =
  | 'denied'
  | 'kid_conflict'
  | 'not_signature'
  | 'unsupported_kty'
  | 'unsupported_crv'
  | 'not_rsa'
  | 'no_kid'
  | 'no_alg'
  | 'no_use'
  | 'pem_unavailable';

/** A key that a source has and a set does not publish. */
export interface WithheldKey {
  readonly source: string;
  readonly thumbprint: string;
  readonly kid: string | undefined;
  readonly reason: WithheldReason;
}

/** A published set: constant from one refresh to the next. */
export interface SetSnapshot {
  readonly name: string;
  /** Of the snapshot this value was built for. */
  readonly generation: number;
  readonly profile: Profile;
  /** Source names in order of priority. */
  readonly sources: readonly string[];
  /** Request paths of the JWK Set, `/sets/{name}/jwks.json` included. */
  readonly paths: readonly string[];
  /** Directories (`/` or `/certs`) below which `{kid digest}.pem` is served. */
  readonly pemPaths: readonly string[];
  /** Absent when there is nothing to publish: the answer is then 503, with `refusal` as its reason when there is one. */
  readonly document: SetDocument | undefined;
  /** Why the loaded keys cannot be published for the set's clients. */
  readonly refusal: string | undefined;
  /** Milliseconds since the epoch, whole seconds: when the identity bytes last changed. */
  readonly lastModified: number;
  /** Value of `Cache-Control` for every document of the set. */
  readonly cacheControl: string;
  /** Required sources that have no keys to give; also the value of `JWKS-Degraded`. */
  readonly missing: readonly string[];
  readonly keys: readonly PublishedKey[];
  readonly withheld: readonly WithheldKey[];
  /** `kid`s that stand for two different keys inside one source. */
  readonly ambiguousKids: readonly string[];
  /** By `kid`, and by thumbprint where no `kid` has that text. More than one entry: the name is ambiguous. */
  readonly byName: ReadonlyMap<string, readonly PublishedKey[]>;
  /** By kid digest (a key without `kid` is named by its thumbprint), lower case. */
  readonly byDigest: ReadonlyMap<string, readonly PublishedKey[]>;
}

/** Whether keys are available, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  /** One sentence per reason for not being ready. */
  readonly reasons: readonly string[];
  /** Source states, by name. */
  readonly sources: Readonly<Record<string, SourceState>>;
}

/**
 * Everything a request can be answered from, built once per refresh and never changed afterwards.
 *
 * Routes keep no keys of their own: they read `keyring.current`, so a refresh is a single assignment and no request can
 * see half of one.
 */
export interface Snapshot {
  /** Counts the snapshots of this process, from 1; 0 is the empty one before the first. */
  readonly generation: number;
  readonly sets: ReadonlyMap<string, SetSnapshot>;
  /** By request path of a JWK Set. */
  readonly documents: ReadonlyMap<string, SetSnapshot>;
  /** By PEM directory, without its trailing slash (`''` is the root). */
  readonly pemDirectories: ReadonlyMap<string, SetSnapshot>;
  readonly readiness: Readiness;
}
