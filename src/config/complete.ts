import path from 'node:path';
import type { Origin, Path } from './problem.ts';
import type { Document } from './schema.ts';
import type { Origins } from './tree.ts';

/** A set of which nothing is left out any more. */
export type CompleteSet = Required<Omit<Document['sets'][string], 'pem'>> & {
  readonly pem: { readonly paths: string[] };
};

/** The document with its sets completed and its paths absolute; durations and sizes as written. */
export type Complete = Omit<Document, 'sets'> & { readonly sets: Record<string, CompleteSet> };

/** Where relative paths start. */
export interface Bases {
  /** The directory of the file. */
  readonly file: string;
  /** The working directory: for the environment, flags, defaults, and the built-in file. */
  readonly cwd: string;
}

/** The sets with the defaults that depend on a set's name and on the number of sources. */
const completeSets = (document: Document, origins: Origins): Record<string, CompleteSet> => {
  const names = Object.keys(document.sources);
  const only = names.length === 1 ? names : undefined;
  const sets =
    Object.keys(document.sets).length === 0 && only !== undefined ? { default: undefined } : document.sets;
  const entries = Object.entries<Document['sets'][string] | undefined>(sets).map(([name, set]) => {
    const isDefault = name === 'default';
    if (set === undefined) origins.set(['sets', name], { kind: 'default' });
    for (const key of ['sources', 'paths', 'pem'] as const) {
      if (set?.[key] === undefined) origins.set(['sets', name, key], { kind: 'default' });
    }
    const pem =
      set?.pem === undefined ? { paths: isDefault ? ['/', '/certs'] : [] } : (set.pem ?? { paths: [] });
    return [
      name,
      {
        sources: set?.sources ?? only ?? [],
        profile: set?.profile ?? 'generic',
        maxAge: set?.maxAge ?? '5m',
        paths: set?.paths ?? (isDefault ? ['/.well-known/jwks.json'] : []),
        // "/certs/" and "/certs" serve the same names.
        pem: { paths: pem.paths.map((each) => (each === '/' ? each : each.replace(/\/$/, ''))) },
      },
    ] as const;
  });
  return Object.fromEntries(entries);
};

/** Makes the path at a place absolute. */
type Absolute = <Value extends string | null>(at: Path, value: Value) => Value;

const completeRegistration = (
  registration: Document['registration'],
  absolute: Absolute,
): Document['registration'] => {
  if (registration === null) return null;
  const { store, accessToken } = registration;
  const { introspection } = accessToken;
  const secret = ['registration', 'accessToken', 'introspection', 'clientSecretFile'];
  return {
    ...registration,
    store:
      store.type === 'lmdb'
        ? { ...store, path: absolute(['registration', 'store', 'path'], store.path) }
        : store,
    accessToken: {
      ...accessToken,
      introspection:
        introspection === null
          ? null
          : { ...introspection, clientSecretFile: absolute(secret, introspection.clientSecretFile) },
    },
  };
};

const completeValidation = (
  validation: Document['validation'],
  absolute: Absolute,
): Document['validation'] => {
  if (validation === null) return null;
  const at = ['validation'];
  const { groups, introspection } = validation;
  const clients = Object.entries(introspection?.clients ?? {}).map(([id, { secretFile }]) => {
    const place = [...at, 'introspection', 'clients', id, 'secretFile'];
    return [id, { secretFile: absolute(place, secretFile) }];
  });
  const ldap = [...at, 'groups', 'ldap'];
  return {
    ...validation,
    groups: {
      ...groups,
      ldap:
        groups.ldap === null
          ? null
          : {
              ...groups.ldap,
              passwordFile: absolute([...ldap, 'passwordFile'], groups.ldap.passwordFile),
              caFile: absolute([...ldap, 'caFile'], groups.ldap.caFile),
            },
    },
    introspection: introspection === null ? null : { clients: Object.fromEntries(clients) },
  };
};

/** Fills in what depends on other values, so that nothing later has to ask where a value came from. */
export const complete = (document: Document, origins: Origins, bases: Bases): Complete => {
  const absolute: Absolute = <Value extends string | null>(at: Path, value: Value): Value => {
    const origin: Origin | undefined = origins.get(at);
    const base = origin?.kind === 'file' ? bases.file : bases.cwd;
    return (value === null ? null : path.resolve(base, value)) as Value;
  };
  const sources = Object.entries(document.sources).map(([name, source]) => {
    const at = ['sources', name];
    if (source.type !== 'files') {
      return [
        name,
        {
          ...source,
          caFile: absolute([...at, 'caFile'], source.caFile),
          bearerTokenFile: absolute([...at, 'bearerTokenFile'], source.bearerTokenFile),
        },
      ] as const;
    }
    const { generateIfEmpty } = source;
    const generate =
      generateIfEmpty === null
        ? null
        : { ...generateIfEmpty, dir: absolute([...at, 'generateIfEmpty', 'dir'], generateIfEmpty.dir) };
    return [
      name,
      { ...source, path: absolute([...at, 'path'], source.path), generateIfEmpty: generate },
    ] as const;
  });
  const { tls } = document.server;
  return {
    ...document,
    server: {
      ...document.server,
      tls:
        tls === null
          ? null
          : {
              certFile: absolute(['server', 'tls', 'certFile'], tls.certFile),
              keyFile: absolute(['server', 'tls', 'keyFile'], tls.keyFile),
            },
    },
    state: { dir: absolute(['state', 'dir'], document.state?.dir ?? null) },
    sources: Object.fromEntries(sources),
    sets: completeSets(document, origins),
    registration: completeRegistration(document.registration, absolute),
    validation: completeValidation(document.validation, absolute),
  };
};
