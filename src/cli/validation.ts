import type { FastifyBaseLogger } from 'fastify';
import { systemClock } from '../clock.ts';
import type { GroupsConfig, OkeraConfig, ValidationConfig } from '../config/config.ts';
import { JwksdError } from '../errors.ts';
import type { Feature } from '../http/feature.ts';
import type { OpsValidation } from '../http/ops.ts';
import { validationFeature } from '../http/routes/validation/feature.ts';
import type { ValidationFigures } from '../http/validation-metrics.ts';
import { readSecretFile } from '../sources/secret-file.ts';
import { Explainer } from '../tokens/validation/explainer.ts';
import type { GroupsResolver } from '../tokens/validation/groups.ts';
import type { RemoteServer } from '../tokens/validation/remote-server.ts';
import { remembering, type OnError } from '../tokens/validation/resolvers.ts';
import { SystemToken } from '../tokens/validation/system-token.ts';
import { Tally } from '../tokens/validation/tally.ts';
import { Validator } from '../tokens/validation/validator.ts';
import { VerifiedTokens } from '../tokens/validation/verified-tokens.ts';
import { issuersOf, type IssuersOfConfig, type ValidationKeyring } from './validation-issuers.ts';

/** The validation of tokens of a running server. */
export interface Validation extends OpsValidation {
  readonly feature: Feature;
  readonly figures: () => ValidationFigures;
  /** Undefined where the configuration names none. */
  readonly systemToken: SystemToken | undefined;
  /**
   * Looks at the system token, and follows it from then on. To be called when the keys of files are there.
   *
   * @throws {JwksdError} `config_invalid` when that token is not valid for a reason that waiting does not mend.
   */
  start(): Promise<void>;
  close(): void;
}

interface Parts {
  readonly keyring: ValidationKeyring;
  readonly log: FastifyBaseLogger;
}

/** Puts the validation of tokens together. Loaded only where it is configured. */
export const openValidation = async (
  config: ValidationConfig,
  { keyring, log }: Parts,
): Promise<Validation> => {
  const { issuers, knowledge } = issuersOf(config, keyring);
  const verified =
    config.tokenCache === null ? undefined : new VerifiedTokens(config.tokenCache, systemClock);
  const remote = await remoteOf(config.okera);
  const groups = await groupPlaces(config.groups, log);
  const validator = new Validator({
    clock: systemClock,
    issuers,
    remote,
    verified,
    fallback: config.okera?.fallback ?? 'always',
    groups: { claim: config.groups.claim, order: groups.places },
  });
  const systemToken = systemTokenOf(config.okera, validator, log);
  const feature = validationFeature({ validator, log, secretOf: secrets(config, log) });
  const figures = (): ValidationFigures => ({
    results: validator.results,
    groups: Object.fromEntries(groups.tallies.map(([place, { counts }]) => [place, counts])),
    remote: remote?.results,
    tokenCache: verified?.results,
    systemToken: systemToken?.state,
  });
  return {
    feature,
    figures,
    systemToken,
    explainer: new Explainer({ clock: systemClock, validator, issuers, knowledge }),
    status: () => status(config, issuers, figures()),
    start: async () => {
      const state = await systemToken?.look();
      if (state?.valid === false && !state.undecided) {
        throw new JwksdError('config_invalid', `validation.okera.systemToken is not valid: ${state.hint}`);
      }
      systemToken?.watch();
    },
    close: () => systemToken?.close(),
  };
};

/** The system token of a configuration; undefined without one. */
const systemTokenOf = (
  okera: OkeraConfig | null,
  validator: Pick<Validator, 'identify'>,
  log: FastifyBaseLogger,
): SystemToken | undefined => {
  if (okera === null || okera.systemToken === null) return undefined;
  const { systemToken: file, systemSubject: subject } = okera;
  const identify = async (token: string) => await validator.identify(token);
  return new SystemToken({ file, subject, identify }, { clock: systemClock, log });
};

/** The secrets of those who may introspect; undefined where nobody may. */
const secrets = (
  { introspection }: ValidationConfig,
  log: FastifyBaseLogger,
): ((client: string) => Promise<string | undefined>) | undefined => {
  if (introspection === null) return undefined;
  const clients = new Map(introspection.clients.map(({ id, secretFile }) => [id, secretFile]));
  return async (client) => {
    const file = clients.get(client);
    if (file === undefined) return undefined;
    try {
      return await readSecretFile(file);
    } catch (error) {
      log.error({ client, err: error }, 'the secret of an introspection client cannot be read');
      return undefined;
    }
  };
};

/** The server that is asked first; undefined where there is none. Its library is loaded only then. */
const remoteOf = async (okera: OkeraConfig | null): Promise<RemoteServer | undefined> => {
  if (okera === null || okera.authenticationServerUrl === null) return undefined;
  const { RemoteServer: Server } = await import('../tokens/validation/remote-server.ts');
  return new Server(okera.authenticationServerUrl, systemClock);
};

interface GroupPlaces {
  readonly places: readonly ('claim' | GroupsResolver)[];
  readonly tallies: readonly (readonly [place: string, results: Tally])[];
}

/** The places groups are looked for, in their order; the libraries of those that are not there are not loaded. */
const groupPlaces = async (
  { order, ldap, http, cache }: GroupsConfig,
  log: FastifyBaseLogger,
): Promise<GroupPlaces> => {
  const places: ('claim' | GroupsResolver)[] = [];
  const tallies: [string, Tally][] = [];
  const add = (place: string, resolver: GroupsResolver, onError: OnError): void => {
    const results = new Tally();
    tallies.push([place, results]);
    const warn = (hint: string): void => log.warn({ onError }, hint);
    places.push(remembering(resolver, { clock: systemClock, ttl: cache, onError, results, warn }));
  };
  for (const place of order) {
    if (place === 'claim') places.push(place);
    if (place === 'ldap' && ldap !== null) {
      const { LdapGroups } = await import('../tokens/validation/ldap-groups.ts');
      add(place, new LdapGroups(ldap, systemClock), ldap.onError);
    }
    if (place === 'http' && http !== null) {
      const { HttpGroups } = await import('../tokens/validation/http-groups.ts');
      add(place, new HttpGroups(http, systemClock), http.onError);
    }
  }
  return { places, tallies };
};

/** The section `validation` of `/status`. No secret, no query string, nothing of a token. */
const status = (
  config: ValidationConfig,
  issuers: IssuersOfConfig['issuers'],
  { results, groups, remote, tokenCache, systemToken }: ValidationFigures,
): object => ({
  issuers: config.issuers.map(({ name, issuer, set }, index) => ({
    name,
    issuer,
    set,
    keys: issuers[index]?.keys().length ?? 0,
  })),
  authenticationServer: remote === undefined ? null : { fallback: config.okera?.fallback, results: remote },
  systemToken: systemToken === undefined ? null : systemTokenStatus(systemToken),
  groups: { order: config.groups.order, results: groups },
  tokenCache: tokenCache ?? null,
  results,
});

const systemTokenStatus = (state: NonNullable<ValidationFigures['systemToken']>): object =>
  state.valid
    ? { valid: true, expires: state.expires === undefined ? null : new Date(state.expires).toISOString() }
    : { valid: false, reason: state.reason, hint: state.hint };
