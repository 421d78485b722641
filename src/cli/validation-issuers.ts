import type { IssuerConfig, ValidationConfig } from '../config/config.ts';
import type { Key } from '../jwk/key.ts';
import type { KeyringView } from '../keyring/keyring.ts';
import type { SetSnapshot } from '../keyring/snapshot.ts';
import type { SetKnowledge } from '../tokens/validation/explainer.ts';
import type { Issuer } from '../tokens/validation/issuers.ts';

/** What the validation of tokens needs of a keyring. */
export type ValidationKeyring = Pick<
  KeyringView,
  'current' | 'demand' | 'leftAt' | 'denied' | 'sourceStatuses'
>;

/** The issuers of a configuration, and what is known of their sets. */
export interface IssuersOfConfig {
  /** In the order of the configuration. */
  readonly issuers: readonly Issuer[];
  readonly knowledge: (issuer: Issuer) => SetKnowledge | undefined;
}

const noKeys: readonly Key[] = [];

/** Binds each issuer to its set as it is at the moment of the question. */
export const issuersOf = (config: ValidationConfig, keyring: ValidationKeyring): IssuersOfConfig => {
  const sets = new Map(config.issuers.map(({ name, set }) => [name, set]));
  return {
    issuers: config.issuers.map((each) => issuerOf(each, keyring)),
    knowledge: ({ name }) => {
      const set = keyring.current.sets.get(sets.get(name) ?? '');
      return set === undefined ? undefined : knowledgeOf(set, keyring);
    },
  };
};

const issuerOf = (config: IssuerConfig, keyring: ValidationKeyring): Issuer => {
  const { name, issuer, set, algorithms, audience, clockSkew, allowNoExp } = config;
  const current = () => keyring.current.sets.get(set);
  let seen: { readonly set: SetSnapshot; readonly keys: readonly Key[] } | undefined;
  return {
    name,
    issuer: issuer ?? undefined,
    algorithms: algorithms ?? undefined,
    audience,
    clockSkew,
    allowNoExp,
    keys: () => {
      const known = current();
      // A set that serves nothing, because it must not, verifies nothing either.
      if (known?.document === undefined) return noKeys;
      if (seen?.set !== known) seen = { set: known, keys: known.keys.map(({ key }) => key) };
      return seen.keys;
    },
    demand: async (kid) => {
      const known = current();
      if (known !== undefined) await keyring.demand(known, { by: 'kid', value: kid });
    },
  };
};

const knowledgeOf = (set: SetSnapshot, keyring: ValidationKeyring): SetKnowledge => ({
  set: set.name,
  leftAt: (kid) => keyring.leftAt(set.name, kid),
  withheld: (kid) => {
    const key = set.withheld.find((each) => each.kid === kid);
    if (key === undefined) return undefined;
    const denied = keyring.denied().find(({ thumbprint }) => thumbprint === key.thumbprint);
    return denied === undefined
      ? `withheld (${key.reason})`
      : `denied by an operator since ${denied.since} (${denied.reason})`;
  },
  sources: keyring
    .sourceStatuses()
    .filter(({ name }) => set.sources.includes(name))
    .map(({ name, state, age, lastError }) => ({ name, state, age, error: lastError?.detail })),
});
