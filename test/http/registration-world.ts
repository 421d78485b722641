import type { FastifyInstance } from 'fastify';
import { RegistrationOutcomes } from '../../src/http/routes/registration/audit.ts';
import { registrationFeature } from '../../src/http/routes/registration/feature.ts';
import { JwksdError } from '../../src/errors.ts';
import { MemoryStore } from '../../src/stores/memory.ts';
import type { RegistrationStore, SharedCounters } from '../../src/stores/store.ts';
import { JwtAccess } from '../../src/tokens/access-token.ts';
import { PublishedSets } from '../../src/tokens/registration/published.ts';
import { Registrar } from '../../src/tokens/registration/registrar.ts';
import { ManualClock } from '../fakes/clock.ts';
import { FakeSource } from '../fakes/source.ts';
import { registrationUrl } from '../tokens/proof/proofs.ts';
import { signer } from '../tokens/signer.ts';
import { rsaKey, service } from './service.ts';

/** Where keys are registered. */
export const path = '/oidc/jwks/clients';
/** What access tokens need. */
export const scope = 'client_jwks_registration_scope';
const idp = signer('ES256', 'idp');
/** The clock of everything but the listeners. */
export const clock = new ManualClock(Date.parse('2026-11-22T12:00:00Z'));
/** Its time when the tests begin, as claims have it. */
export const seconds = clock.wall() / 1000;

/** A good access token of a client, but for `more`. */
export const accessToken = (client: string, more: object = {}): string =>
  idp.token({
    iss: 'https://sso.example',
    aud: 'jwksd',
    exp: seconds + 3600,
    client_id: client,
    scope,
    ...more,
  });

/** A store that can be switched off. */
const breakable = (): { store: RegistrationStore; broken: { value: boolean } } => {
  const broken = { value: false };
  const store = new Proxy(new MemoryStore({ maxRecords: 1000 }, clock), {
    get: (target, name) => {
      if (name === 'health') return broken.value ? { ok: false, detail: 'off' } : { ok: true };
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        if (broken.value && name !== 'onChange') {
          return Promise.reject(new JwksdError('store_unavailable', 'the store is off'));
        }
        return (member as (...all: unknown[]) => unknown).apply(target, args);
      };
    },
  });
  return { store, broken };
};

/** Both listeners with a registrar, and what a test may do to them. */
export interface World {
  readonly app: FastifyInstance;
  readonly ops: FastifyInstance;
  readonly log: Record<string, unknown>[];
  readonly broken: { value: boolean };
  readonly denied: { value: ReadonlySet<string> };
  readonly disabled: Set<string>;
  readonly outcomes: RegistrationOutcomes;
}

/** Makes a world. */
export const start = async (
  more: {
    mode?: 'strict' | 'cas';
    max?: number;
    maxKeys?: number;
    nonce?: boolean;
    counters?: SharedCounters;
  } = {},
): Promise<World> => {
  const { store, broken } = breakable();
  const mode = more.mode ?? 'strict';
  const denied: { value: ReadonlySet<string> } = { value: new Set<string>() };
  const outcomes = new RegistrationOutcomes();
  const disabled = new Set(['disabled']);
  const feature = registrationFeature({
    path,
    noncePath: '/oidc/jwks/nonce',
    scope,
    tokenInQuery: mode === 'cas',
    rateLimit: { max: more.max ?? 1000, window: 60_000 },
    registrar: new Registrar({
      clock,
      store,
      proof: {
        mode,
        registrationUrls: [registrationUrl],
        serviceId: 'https://keys.example.org',
        nonceRequired: more.nonce === true,
      },
      limits: { maxKeysPerClient: more.maxKeys ?? 100, uniqueAcrossClients: false },
      keyTtl: 3_600_000,
      denied: () => denied.value,
    }),
    published: new PublishedSets({ store, clock, denied: () => denied.value }),
    accessTokens: new JwtAccess({
      clock,
      issuer: 'https://sso.example',
      audience: 'jwksd',
      scope,
      keys: () => [idp.key],
      demand: async () => await Promise.resolve(),
    }),
    counters: more.counters,
    disabled,
    clock,
    outcomes,
  });
  const made = await service({
    sources: [new FakeSource('main', [rsaKey('a')])],
    app: { features: [feature] },
    ops: { registrations: store },
  });
  return { ...made, broken, denied, disabled, outcomes };
};
