import { systemClock } from '../clock.ts';
import type { IssuerConfig, ValidationConfig } from '../config/config.ts';
import type { Feature } from '../http/feature.ts';
import { validationFeature } from '../http/routes/validation/feature.ts';
import type { KeyringView } from '../keyring/keyring.ts';
import { readSecretFile } from '../sources/secret-file.ts';
import type { FastifyBaseLogger } from 'fastify';
import type { Issuer } from '../tokens/validation/issuers.ts';
import { Validator } from '../tokens/validation/validator.ts';

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
    groups: { claim: config.groups.claim, order: ['claim'] },
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
  return await Promise.resolve({ feature, validator });
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
