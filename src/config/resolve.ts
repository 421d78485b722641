import { JwksdError } from '../errors.ts';
import type { Complete } from './complete.ts';
import type {
  AccessTokenConfig,
  Config,
  FilesConfig,
  RegistrationConfig,
  SourceConfig,
  UpstreamOptions,
} from './config.ts';
import { parseDuration, parseSize } from './durations.ts';

const milliseconds = (text: string): number => exact(parseDuration(text));
const bytes = (text: string): number => exact(parseSize(text));

const exact = (value: number | undefined): number => {
  if (value === undefined)
    throw new JwksdError('internal', 'a duration or size passed its pattern but cannot be read');
  return value;
};

const withoutSlash = (url: string): string => url.replace(/\/+$/, '');

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

const filesConfig = (name: string, source: Extract<Source, { type: 'files' }>): FilesConfig => ({
  type: 'files',
  name,
  path: source.path,
  poll: milliseconds(source.poll),
  alg: source.alg,
  generateIfEmpty: source.generateIfEmpty,
});

const sourceConfig = (name: string, source: Source): SourceConfig => {
  if (source.type === 'files') return filesConfig(name, source);
  const options = upstreamOptions(name, source);
  return source.type === 'jwks'
    ? { type: 'jwks', url: source.url, ...options }
    : { type: 'oidc', issuer: source.issuer, jwksUri: source.jwksUri, ...options };
};

/** Milliseconds of the windows a rate names. */
const windows: Readonly<Record<string, number>> = { s: 1000, min: 60_000, h: 3_600_000 };

const rate = (text: string): { max: number; window: number } => {
  const [max = '', unit = ''] = text.split('/');
  return { max: Number(max), window: exact(windows[unit]) };
};

const registrationConfig = ({ registration, server }: Complete): RegistrationConfig | null => {
  if (registration === null) return null;
  const { jwt, introspection } = registration.accessToken;
  const accessToken: AccessTokenConfig | undefined =
    jwt === null
      ? introspection === null
        ? undefined
        : { type: 'introspection', ...introspection }
      : { type: 'jwt', ...jwt };
  if (accessToken === undefined) throw new JwksdError('internal', 'registration without an access token');
  return {
    ...registration,
    accessToken,
    audience: registration.audience ?? (server.publicUrl === null ? null : withoutSlash(server.publicUrl)),
    keyTtl: milliseconds(registration.keyTtl),
    rateLimit: rate(registration.rateLimit),
  };
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
    sources: Object.entries(document.sources).map(([name, source]) => sourceConfig(name, source)),
    sets: Object.entries(document.sets).map(([name, set]) => ({
      name,
      sources: set.sources,
      profile: set.profile,
      maxAge: milliseconds(set.maxAge),
      paths: set.paths,
      pemPaths: set.pem.paths,
    })),
    registration: registrationConfig(document),
  };
};
