import { systemClock } from '../clock.ts';
import type { AccessTokenConfig, RegistrationConfig } from '../config/config.ts';
import type { Feature } from '../http/feature.ts';
import type { RegistrationView } from '../http/metrics.ts';
import { RegistrationOutcomes } from '../http/routes/registration/audit.ts';
import { registrationFeature } from '../http/routes/registration/feature.ts';
import type { KeyringView } from '../keyring/keyring.ts';
import type { Log } from '../sources/source.ts';
import { openStore } from '../stores/open.ts';
import type { RegistrationStore } from '../stores/store.ts';
import { JwtAccess, type AccessTokenJudge } from '../tokens/access-token.ts';
import { PublishedSets } from '../tokens/registration/published.ts';
import { Registrar } from '../tokens/registration/registrar.ts';

/** The registration of keys of a running server. */
export interface Registration extends RegistrationView {
  readonly feature: Feature;
  readonly store: RegistrationStore;
  close(): Promise<void>;
}

/**
 * Puts the registration of keys together. Loaded only where it is configured.
 *
 * @throws {JwksdError} `store_unavailable` when the store cannot be opened at all.
 */
export const openRegistration = async (
  config: RegistrationConfig,
  parts: { readonly keyring: KeyringView; readonly log: Log; readonly publicUrl: string | null },
): Promise<Registration> => {
  const { keyring, log, publicUrl } = parts;
  const store = await openStore(config.store, systemClock, log);
  const denied = (): ReadonlySet<string> => keyring.deniedThumbprints;
  const outcomes = new RegistrationOutcomes();
  const published = new PublishedSets({ store, clock: systemClock, denied });
  const registrar = new Registrar({
    clock: systemClock,
    store,
    proof: {
      mode: config.proof,
      registrationUrls: publicUrl === null ? [] : [`${publicUrl}${config.path}`],
      serviceId: config.audience ?? '',
      nonceRequired: config.nonceRequired,
    },
    limits: {
      maxKeysPerClient: config.maxKeysPerClient,
      uniqueAcrossClients: config.uniqueAcrossClients,
    },
    keyTtl: config.keyTtl,
    denied,
  });
  const feature = registrationFeature({
    path: config.path,
    noncePath: config.noncePath,
    scope: config.scope,
    tokenInQuery: config.proof === 'cas',
    rateLimit: config.rateLimit,
    registrar,
    published,
    accessTokens: await accessTokenJudge(config.accessToken, config.scope, keyring),
    counters: store.counters,
    disabled: new Set(config.disabledClients),
    clock: systemClock,
    outcomes,
  });
  return {
    feature,
    store,
    outcomes,
    published,
    close: async () => {
      published.close();
      await store.close();
    },
  };
};

const accessTokenJudge = async (
  config: AccessTokenConfig,
  scope: string,
  keyring: KeyringView,
): Promise<AccessTokenJudge> => {
  if (config.type === 'introspection') {
    const { Introspection } = await import('../tokens/introspection-client.ts');
    return new Introspection({ ...config, scope, clock: systemClock });
  }
  const { issuer, audience, source } = config;
  return new JwtAccess({
    clock: systemClock,
    issuer,
    audience,
    scope,
    keys: () => keyring.sourceKeys(source),
    demand: async (kid) => {
      // A source that no set publishes is refreshed by its schedule alone.
      const set = [...keyring.current.sets.values()].find(({ sources }) => sources.includes(source));
      if (set !== undefined) await keyring.demand(set, { by: 'kid', value: kid });
    },
  });
};
