import type { Complete } from './complete.ts';
import type { Config, FilesConfig, SourceConfig, UpstreamOptions } from './config.ts';
import { registrationConfig } from './resolve/registration.ts';
import { bytes, milliseconds, withoutSlash } from './resolve/units.ts';
import { okeraSets, okeraSources, type OkeraSource, validationConfig } from './resolve/validation.ts';

type Source = Complete['sources'][string];

const upstreamOptions = (name: string, source: Exclude<Source, { type: 'files' }>): UpstreamOptions => ({
  name,
  required: source.required,
  refreshInterval: milliseconds(source.refreshInterval),
  refreshMin: milliseconds(source.refreshMin),
  refreshMax: milliseconds(source.refreshMax),
  jitter: Number.parseInt(source.jitter, 10) / 100,
  maxStale: milliseconds(source.maxStale),
  staleIfError: source.staleIfError,
  removalConfirm: milliseconds(source.removalConfirm),
  connectTimeout: milliseconds(source.connectTimeout),
  totalTimeout: milliseconds(source.totalTimeout),
  maxBody: bytes(source.maxBody),
  maxKeys: source.maxKeys,
  caFile: source.caFile,
  proxy: source.proxy,
  bearerTokenFile: source.bearerTokenFile,
  headers: Object.fromEntries(
    Object.entries(source.headers).map(([header, value]) => [header.toLowerCase(), value]),
  ),
  allowInsecureHttp: source.allowInsecureHttp,
  allowRedirectHosts: source.allowRedirectHosts.map((host) => host.toLowerCase()),
  blockPrivateAddresses: source.blockPrivateAddresses,
});

const filesConfig = (
  name: string,
  source: OkeraSource | Extract<Source, { type: 'files' }>,
): FilesConfig => ({
  type: 'files',
  name,
  path: source.path,
  poll: milliseconds(source.poll),
  alg: source.alg,
  ...('onlyAlg' in source ? { onlyAlg: true } : {}),
  generateIfEmpty: source.generateIfEmpty,
});

const sourceConfig = (name: string, source: Source | OkeraSource): SourceConfig => {
  if (source.type === 'files') return filesConfig(name, source);
  const options = upstreamOptions(name, source);
  return source.type === 'jwks'
    ? { type: 'jwks', url: source.url, ...options }
    : { type: 'oidc', issuer: source.issuer, jwksUri: source.jwksUri, ...options };
};

/** The configuration in the units the program works with. */
export const resolveConfig = (document: Complete): Config => {
  const { server, ops, shutdown } = document;
  return {
    server: {
      ...server,
      publicUrl: server.publicUrl === null ? null : withoutSlash(server.publicUrl),
      requestTimeout: milliseconds(server.requestTimeout),
      bodyLimit: bytes(server.bodyLimit),
    },
    ops,
    cors: document.cors,
    log: document.log,
    state: { dir: document.state?.dir ?? null },
    shutdown: { delay: milliseconds(shutdown.delay), grace: milliseconds(shutdown.grace) },
    sources: Object.entries({ ...document.sources, ...okeraSources(document) }).map(([name, source]) =>
      sourceConfig(name, source),
    ),
    sets: Object.entries({ ...document.sets, ...okeraSets(document) }).map(([name, set]) => ({
      name,
      sources: set.sources,
      profile: set.profile,
      maxAge: milliseconds(set.maxAge),
      paths: set.paths,
      pemPaths: set.pem.paths,
    })),
    registration: registrationConfig(document),
    validation: validationConfig(document),
  };
};
