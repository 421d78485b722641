import type { FastifyInstance } from 'fastify';
import type { KeyringView } from '../../keyring/keyring.ts';
import type { SetSnapshot } from '../../keyring/snapshot.ts';
import type { RegistrationStore } from '../../stores/store.ts';
import type { SourceStatus } from '../../sources/source.ts';
import { degradedSources, reasonsNotReady } from './probes.ts';

/** What `/status` looks at. */
export interface StatusOptions {
  readonly keyring: KeyringView;
  readonly lifecycle: { readonly draining: boolean };
  readonly version: string;
  /** Absent where clients register no keys. */
  readonly registrations?: RegistrationStore | undefined;
  /** The validation of tokens, where there is one. */
  readonly validation?: (() => object) | undefined;
}

const seconds = (milliseconds: number | undefined): number | null =>
  milliseconds === undefined ? null : Math.round(milliseconds) / 1000;

const date = (milliseconds: number | undefined): string | null =>
  milliseconds === undefined ? null : new Date(milliseconds).toISOString();

const sourceStatus = (status: SourceStatus): object => ({
  ...status,
  lastSuccess: date(status.lastSuccess),
  age: seconds(status.age),
  lastError: status.lastError === undefined ? null : { ...status.lastError, at: date(status.lastError.at) },
  nextAttemptIn: seconds(status.nextAttemptIn),
});

const storeStatus = ({ type, health, lastOk }: RegistrationStore): object => ({
  store: type,
  ok: health.ok,
  detail: health.ok ? null : health.detail,
  lastOk: date(lastOk),
});

const setStatus = (set: SetSnapshot): object => ({
  name: set.name,
  generation: set.generation,
  profile: set.profile,
  sources: set.sources,
  paths: set.paths,
  pemPaths: set.pemPaths,
  etag: set.document?.identity.etag ?? null,
  bytes: set.document?.identity.body.byteLength ?? null,
  lastModified: set.document === undefined ? null : date(set.lastModified),
  refusal: set.refusal ?? null,
  missing: set.missing,
  ambiguousKids: set.ambiguousKids,
  keys: set.keys.map(({ key, source, pem, firstSeen, lastChanged }) => ({
    thumbprint: key.thumbprint,
    kid: key.jwk.kid ?? null,
    kty: key.jwk.kty,
    alg: key.jwk.alg ?? null,
    source,
    pem: pem !== undefined,
    firstSeen: date(firstSeen),
    lastChanged: date(lastChanged),
  })),
  withheld: set.withheld.map((key) => ({ ...key, kid: key.kid ?? null })),
});

/** `GET /status`: everything about sources, sets and the store of registered keys. Dates are RFC 3339, durations seconds, absent values null. */
export const registerStatus = (app: FastifyInstance, options: StatusOptions): void => {
  const { keyring, lifecycle, version, registrations, validation } = options;
  app.get('/status', (_request, reply) => {
    const { generation, readiness, sets } = keyring.current;
    const status = {
      version,
      generation,
      ready: readiness.ready && !lifecycle.draining,
      reasons: reasonsNotReady(options),
      degraded: degradedSources(keyring.current),
      sources: keyring.sourceStatuses().map(sourceStatus),
      sets: [...sets.values()].map(setStatus),
      registration: registrations === undefined ? null : storeStatus(registrations),
      validation: validation?.() ?? null,
    };
    return reply
      .headers({ 'content-type': 'application/json', 'cache-control': 'no-store' })
      .send(Buffer.from(`${JSON.stringify(status, undefined, 2)}\n`));
  });
};
