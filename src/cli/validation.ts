import { systemClock } from '../clock.ts';
import type { GroupsConfig, IssuerConfig, ValidationConfig } from '../config/config.ts';
import type { Feature } from '../http/feature.ts';
import { validationFeature } from '../http/routes/validation/feature.ts';
import type { KeyringView } from '../keyring/keyring.ts';
import { readSecretFile } from '../sources/secret-file.ts';
import type { FastifyBaseLogger } from 'fastify';
import type { GroupsResolver } from '../tokens/validation/groups.ts';
import type { Issuer } from '../tokens/validation/issuers.ts';
import { remembering, type OnError } from '../tokens/validation/resolvers.ts';
import { Validator, type Remote } from '../tokens/validation/validator.ts';

/** The validation of tokens of a running server. */
export interface Validation {
  readonly feature: Feature;
  readonly validator: Validator;
}

/** Puts the validation of tokens together. Loaded only where it is configured. */
export const openValidation = async (
  config: ValidationConfig,
  { keyring, log }: { readonly keyring: KeyringView; readonly log: FastifyBaseLogger },
): Promise<Validation> => {
  const validator = new Validator({
    clock: systemClock,
    issuers: config.issuers.map((each) => issuerOf(each, keyring)),
    remote: await remoteOf(config.okera),
    fallback: config.okera?.fallback ?? 'always',
    groups: { claim: config.groups.claim, order: await groupPlaces(config.groups, log) },
  });
  const clients = new Map(config.introspection?.clients.map(({ id, secretFile }) => [id, secretFile]));
  const secretOf = async (client: string): Promise<string | undefined> => {
    const file = clients.get(client);
    if (file === undefined) return undefined;
    try {
      return await readSecretFile(file);
    } catch (error) {
      log.error({ client, err: error }, 'the secret of an introspection client cannot be read');
      return undefined;
    }
  };
  const feature = validationFeature({
    validator,
    log,
    secretOf: config.introspection === null ? undefined : secretOf,
  });
  return { feature, validator };
};

const remoteOf = async (okera: ValidationConfig['okera']): Promise<Remote | undefined> => {
  if (okera === null || okera.authenticationServerUrl === null) return undefined;
  const { RemoteServer } = await import('../tokens/validation/remote-server.ts');
  return new RemoteServer(okera.authenticationServerUrl, systemClock);
};

/** The places groups are looked for, in their order; the libraries of those that are not there are not loaded. */
const groupPlaces = async (
  { order, ldap, http, cache }: GroupsConfig,
  log: FastifyBaseLogger,
): Promise<readonly ('claim' | GroupsResolver)[]> => {
  const keeping = (resolver: GroupsResolver, onError: OnError): GroupsResolver =>
    remembering(resolver, {
      clock: systemClock,
      ttl: cache,
      onError,
      warn: (hint) => log.warn({ onError }, hint),
    });
  const places: ('claim' | GroupsResolver)[] = [];
  for (const place of order) {
    if (place === 'claim') places.push(place);
    if (place === 'ldap' && ldap !== null) {
      const { LdapGroups } = await import('../tokens/validation/ldap-groups.ts');
      places.push(keeping(new LdapGroups(ldap, systemClock), ldap.onError));
    }
    if (place === 'http' && http !== null) {
      const { HttpGroups } = await import('../tokens/validation/http-groups.ts');
      places.push(keeping(new HttpGroups(http, systemClock), http.onError));
    }
  }
  return places;
};

const issuerOf = (config: IssuerConfig, keyring: KeyringView): Issuer => {
  const { name, issuer, set, algorithms, audience, clockSkew, allowNoExp } = config;
  const current = () => keyring.current.sets.get(set);
  return {
    name,
    issuer: issuer ?? undefined,
    algorithms: algorithms ?? undefined,
    audience,
    clockSkew,
    allowNoExp,
    // A set that serves nothing, because it must not, verifies nothing either.
    keys: () => {
      const known = current();
      return known?.document === undefined ? [] : known.keys.map(({ key }) => key);
    },
    demand: async (kid) => {
      const known = current();
      if (known !== undefined) await keyring.demand(known, { by: 'kid', value: kid });
    },
  };
};
