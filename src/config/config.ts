/** The configuration, complete: every default filled in, durations in milliseconds, sizes in bytes, paths absolute. */
export interface Config {
  readonly server: ServerConfig;
  readonly ops: OpsConfig;
  readonly cors: { readonly origins: '*' | readonly string[] };
  readonly log: { readonly level: LogLevel; readonly pretty: boolean | 'auto' };
  /** `dir` is null when persistence is off. */
  readonly state: { readonly dir: string | null };
  readonly shutdown: { readonly delay: number; readonly grace: number };
  /** Names are unique. Never empty. The order means nothing. */
  readonly sources: readonly SourceConfig[];
  /** Names are unique. Never empty. The order means nothing. */
  readonly sets: readonly SetConfig[];
  /** Null: nobody registers keys. */
  readonly registration: RegistrationConfig | null;
  /** Null: no token is validated. */
  readonly validation: ValidationConfig | null;
}

/** The levels pino knows, and `silent`. */
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

/** The public listener. */
export interface ServerConfig {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Without a slash at the end. */
  readonly publicUrl: string | null;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  /** True, false, or the addresses and CIDRs of the proxies. */
  readonly trustProxy: boolean | readonly string[];
  readonly requestTimeout: number;
  readonly bodyLimit: number;
  readonly landingPage: boolean;
}

/** The second listener. */
export interface OpsConfig {
  readonly enabled: boolean;
  readonly host: string;
  readonly port: number;
  readonly token: string | null;
}

/** One source; `type` tells which. */
export type SourceConfig = FilesConfig | UpstreamConfig;

/** A source of type `files`. */
export interface FilesConfig {
  readonly type: 'files';
  readonly name: string;
  readonly path: string;
  readonly poll: number;
  /** `alg` of RSA PEMs, which name none. */
  readonly alg: string | null;
  /** Whether a key that is not for `alg` is rejected. */
  readonly onlyAlg?: true;
  readonly generateIfEmpty: { readonly alg: string; readonly dir: string } | null;
}

/** A source that is fetched. */
export type UpstreamConfig = JwksConfig | OidcConfig;

/** A source of type `jwks`: the JWK Set is at `url`. */
export interface JwksConfig extends UpstreamOptions {
  readonly type: 'jwks';
  readonly url: string;
}

/** A source of type `oidc`: the JWK Set is found by discovery. */
export interface OidcConfig extends UpstreamOptions {
  readonly type: 'oidc';
  /** As written: discovery compares it character by character (OpenID Connect Discovery §4.3). */
  readonly issuer: string;
  /** Overrides what discovery says. */
  readonly jwksUri: string | null;
}

/** What every upstream takes, as docs/configuration.md explains it. */
export interface UpstreamOptions {
  readonly name: string;
  readonly required: boolean;
  readonly refreshInterval: number;
  readonly refreshMin: number;
  readonly refreshMax: number;
  /** A share: `10%` is 0.1. */
  readonly jitter: number;
  readonly maxStale: number;
  readonly staleIfError: 'always' | 'rfc9111' | 'never';
  readonly removalConfirm: number;
  readonly connectTimeout: number;
  readonly totalTimeout: number;
  readonly maxBody: number;
  readonly maxKeys: number;
  readonly caFile: string | null;
  /** Null: what `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say. */
  readonly proxy: string | null;
  readonly bearerTokenFile: string | null;
  /** Extra request headers, lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly allowInsecureHttp: boolean;
  /** Host names, with a port where it is not the scheme's. Lower case. */
  readonly allowRedirectHosts: readonly string[];
  readonly blockPrivateAddresses: boolean;
}

/** One published set. */
export interface SetConfig {
  readonly name: string;
  /** Names of sources; the order is the priority. Never empty. */
  readonly sources: readonly string[];
  readonly profile: 'generic' | 'jitsi' | 'opencast' | 'full';
  /** Milliseconds, a whole number of seconds. */
  readonly maxAge: number;
  /** Paths of the JWK Set besides `/sets/{name}/jwks.json`, which every set has. May be empty. */
  readonly paths: readonly string[];
  /** Paths under which `{kid digest}.pem` is served, `/` or without a slash at the end. May be empty. */
  readonly pemPaths: readonly string[];
}

/** How clients register keys (docs/registration.md). */
export interface RegistrationConfig {
  readonly path: string;
  /** Where nonces are given out: beside `path`. */
  readonly noncePath: string;
  readonly proof: 'strict' | 'cas';
  readonly accessToken: AccessTokenConfig;
  readonly scope: string;
  /** What `aud` of a proof may be besides the registration URL; null: nothing. */
  readonly audience: string | null;
  readonly store: StoreConfig;
  readonly keyTtl: number;
  readonly maxKeysPerClient: number;
  readonly nonceRequired: boolean;
  readonly uniqueAcrossClients: boolean;
  /** Client ids, exactly. */
  readonly disabledClients: readonly string[];
  /** Requests per client and per address in each window. */
  readonly rateLimit: { readonly max: number; readonly window: number };
}

/** Who may register: the kind of access token. */
export type AccessTokenConfig =
  | { readonly type: 'jwt'; readonly issuer: string; readonly source: string; readonly audience: string }
  | {
      readonly type: 'introspection';
      readonly url: string;
      readonly clientId: string;
      readonly clientSecretFile: string;
    };

/** Where registered keys are kept. */
export type StoreConfig =
  | { readonly type: 'memory' }
  | { readonly type: 'lmdb'; readonly path: string }
  | { readonly type: 'postgres'; readonly url: string };

/** How tokens are validated (docs/validation.md). */
export interface ValidationConfig {
  /** Never empty unless `okera` has a server that is asked. */
  readonly issuers: readonly IssuerConfig[];
  readonly okera: OkeraConfig | null;
  readonly groups: GroupsConfig;
  /** Null: nobody may introspect. */
  readonly introspection: {
    readonly clients: readonly { readonly id: string; readonly secretFile: string }[];
  } | null;
  readonly tokenCache: { readonly maxEntries: number; readonly ttl: number } | null;
}

/** An issuer and the keys of its tokens. */
export interface IssuerConfig {
  readonly name: string;
  /** Null: tokens of any issuer, or none. */
  readonly issuer: string | null;
  /** Name of a set. */
  readonly set: string;
  /** Null: those of the keys. */
  readonly algorithms: readonly string[] | null;
  /** Empty: any. */
  readonly audience: readonly string[];
  readonly clockSkew: number;
  readonly allowNoExp: boolean;
}

/** What else `validation.okera` says; its keys are the set {@link okeraSet}. */
export interface OkeraConfig {
  readonly authenticationServerUrl: string | null;
  readonly fallback: 'always' | 'unavailable-only' | 'never';
  readonly systemToken: string | null;
  readonly systemSubject: string;
}

/** The set that publishes the keys of `validation.okera`. */
export const okeraSet = 'okera-keys';

/** Where the groups of a subject come from. */
export interface GroupsConfig {
  readonly order: readonly ('claim' | 'ldap' | 'http')[];
  readonly claim: string;
  readonly ldap: LdapConfig | null;
  readonly http: {
    readonly url: string;
    readonly timeout: number;
    readonly onError: 'deny' | 'empty';
  } | null;
  readonly cache: number;
}

/** An LDAP directory with groups. */
export interface LdapConfig {
  readonly url: string;
  readonly bindDn: string | null;
  readonly passwordFile: string | null;
  readonly base: string;
  readonly userFilter: string;
  readonly filter: string;
  readonly attribute: string;
  readonly startTls: boolean;
  readonly caFile: string | null;
  readonly timeout: number;
  readonly onError: 'deny' | 'empty';
}
