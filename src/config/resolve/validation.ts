import { fileURLToPath } from 'node:url';
import type { Complete } from '../complete.ts';
import { okeraSet, type GroupsConfig, type IssuerConfig, type ValidationConfig } from '../config.ts';
import { milliseconds } from './units.ts';

/** A key of `validation.okera` as a source: its algorithm is known, and it is used with no other. */
export type OkeraSource = Extract<Complete['sources'][string], { type: 'files' }> & {
  readonly onlyAlg: true;
};

/** That product's names of algorithms beside the registered ones (RFC 7518 §3.1). */
const algorithmName = (name: string): string => name.replace(/^RSA/, 'RS');

/** The public keys of `validation.okera` as sources, each of one file whose algorithm is known. */
export const okeraSources = ({ validation }: Complete): Record<string, OkeraSource> =>
  Object.fromEntries(
    (validation?.okera?.publicKeys ?? []).map((url, index) => [
      `${okeraSet}-${index + 1}`,
      {
        type: 'files' as const,
        path: fileURLToPath(url),
        poll: '2s',
        alg: algorithmName(validation?.okera?.algorithms[index] ?? '') as 'RS256',
        onlyAlg: true as const,
        generateIfEmpty: null,
      },
    ]),
  );

/** The set that publishes them; none when there are none. */
export const okeraSets = (document: Complete): Complete['sets'] => {
  const sources = Object.keys(okeraSources(document));
  if (sources.length === 0) return {};
  return { [okeraSet]: { sources, profile: 'generic', maxAge: '5m', paths: [], pem: { paths: [] } } };
};

/** The section `validation` in the units the program works with. */
export const validationConfig = (document: Complete): ValidationConfig | null => {
  const { validation } = document;
  if (validation === null) return null;
  const { okera, introspection, tokenCache } = validation;
  return {
    issuers: issuers(document, validation),
    okera:
      okera === null
        ? null
        : {
            authenticationServerUrl: okera.authenticationServerUrl,
            fallback: okera.fallback,
            systemToken: okera.systemToken === null ? null : fileURLToPath(okera.systemToken),
            systemSubject: okera.systemSubject,
          },
    groups: groups(validation.groups),
    introspection:
      introspection === null
        ? null
        : {
            clients: Object.entries(introspection.clients).map(([id, client]) => ({
              id,
              secretFile: client.secretFile,
            })),
          },
    tokenCache: tokenCache === null ? null : { ...tokenCache, ttl: milliseconds(tokenCache.ttl) },
  };
};

type Validation = NonNullable<Complete['validation']>;

/** The issuers of the file; the keys of `okera` are for tokens of any issuer unless an issuer names their set. */
const issuers = (document: Complete, validation: Validation): readonly IssuerConfig[] => {
  const named = Object.entries(validation.issuers).map(([name, each]): IssuerConfig => ({
    name,
    issuer: each.issuer,
    set: each.set,
    algorithms: each.algorithms,
    audience: each.audience,
    clockSkew: milliseconds(each.clockSkew),
    allowNoExp: each.allowNoExp,
  }));
  const hasKeys = Object.hasOwn(okeraSets(document), okeraSet);
  if (!hasKeys || named.some(({ set }) => set === okeraSet)) return named;
  const okera = { name: 'okera', issuer: null, set: okeraSet, algorithms: null, audience: [] };
  return [...named, { ...okera, clockSkew: 5000, allowNoExp: false }];
};

const groups = ({ order, claim, ldap, http, cache }: Validation['groups']): GroupsConfig => ({
  order,
  claim,
  ldap: ldap === null ? null : { ...ldap, timeout: milliseconds(ldap.timeout) },
  http: http === null ? null : { ...http, timeout: milliseconds(http.timeout) },
  cache: milliseconds(cache),
});
