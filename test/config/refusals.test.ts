import { describe, expect, test } from 'vitest';
import { config, loaded, problems } from './workspace.ts';

const sources = `sources:
  a: { type: jwks, url: https://sso.example.org/certs }
`;

/** A file whose only source is an upstream with these keys. */
const upstream = (keys: string): string => `sources:
  a: { type: jwks, url: https://sso.example.org/certs, ${keys} }
`;

/** A file with these sets over one source. */
const sets = (text: string): string => `${sources}sets:\n${text}`;

/** A file with registration over one source, and these keys of it. */
const register = (keys: string): string =>
  `${sources}server: { publicUrl: https://keys.example.org }\nregistration: { ${keys} }`;

/** The same for keys that stand beside a sound kind of access token. */
const registerWith = (keys: string): string =>
  register(`accessToken: { jwt: { issuer: i, source: a, audience: x } }, ${keys}`);

/** A file with validation by these issuers, and these other keys. */
const validate = (issuers: string, more = 'tokenCache: null'): string =>
  `${sources}validation: { issuers: { ${issuers} }, ${more} }`;

const refusals: [title: string, yaml: string, path: string, message: RegExp][] = [
  // The shape
  ['an unknown section', `${sources}serverr: {}`, 'serverr', /not a key.*Did you mean "server"/],
  ['an unknown key', `${sources}server: { prt: 1 }`, 'server.prt', /not a key.*Did you mean "port"/],
  [
    'an unknown key like no other',
    `${sources}server: { zzzzzz: 1 }`,
    'server.zzzzzz',
    /The keys here are host, port/,
  ],
  [
    'a key of another type',
    'sources: { a: { type: files, path: x, url: x } }',
    'sources.a.url',
    /type is files/,
  ],
  ['a text for a section', `${sources}server: 8080`, 'server', /section.*not 8080/],
  ['a list for a section', `${sources}server: [1]`, 'server', /section.*not a list/],
  ['a section for a text', `${sources}server: { host: { a: 1 } }`, 'server.host', /host name.*not a section/],
  [
    'null where it has no meaning',
    `${sources}log: { level: null }`,
    'log.level',
    /must be "fatal".*not null/,
  ],
  [
    'a word for a switch',
    `${sources}server: { landingPage: yes }`,
    'server.landingPage',
    /true or false, not "yes"/,
  ],
  ['an unknown level', `${sources}log: { level: verbose }`, 'log.level', /"silent", not "verbose"/],
  ['an unknown pretty', `${sources}log: { pretty: maybe }`, 'log.pretty', /"auto", true or false/],
  [
    'a duration without unit',
    `${sources}server: { requestTimeout: 5 }`,
    'server.requestTimeout',
    /needs a unit: "5s"/,
  ],
  [
    'a duration in words',
    `${sources}server: { requestTimeout: 5 min }`,
    'server.requestTimeout',
    /ms, s, m, h and d/,
  ],
  ['a size in MB', `${sources}server: { bodyLimit: 1MB }`, 'server.bodyLimit', /KiB, MiB and GiB/],
  [
    'registration for nobody',
    `${sources}registration: { path: /x }`,
    'registration.accessToken',
    /must be given/,
  ],
  [
    'registration with two kinds of access token',
    register(
      'accessToken: { jwt: { issuer: i, source: a, audience: x }, introspection: { url: "https://a.example/i", clientId: c, clientSecretFile: s } }',
    ),
    'registration.accessToken',
    /exactly one of jwt and introspection, not both/,
  ],
  [
    'registration with no kind of access token',
    register('accessToken: {}'),
    'registration.accessToken',
    /exactly one of jwt and introspection, not none/,
  ],
  [
    'access tokens of an unknown source',
    register('accessToken: { jwt: { issuer: i, source: b, audience: x } }'),
    'registration.accessToken.jwt.source',
    /names the source "b", which does not exist/,
  ],
  [
    'introspection over plain http',
    register(
      'accessToken: { introspection: { url: "http://a.example/i", clientId: c, clientSecretFile: s } }',
    ),
    'registration.accessToken.introspection.url',
    /must be https/,
  ],
  [
    'a store of no known type',
    registerWith('store: { type: redis }'),
    'registration.store.type',
    /memory, lmdb or postgres/,
  ],
  [
    'a key of another store',
    registerWith('store: { type: memory, path: x }'),
    'registration.store.path',
    /is not a key where the type is memory/,
  ],
  [
    'a PostgreSQL URL with another scheme',
    registerWith('store: { type: postgres, url: "mysql://u:hush@h/d" }'),
    'registration.store.url',
    /must be a PostgreSQL URL$/,
  ],
  ...[
    'u:hush#1@h/d',
    'u:12#hush@h/d',
    'u:hush/1@h/d',
    'u:12/hush@h/d',
    'u:12?hush@h',
    'u:100%@h/d',
    'u:hush@h:99999/d',
  ].map((rest): (typeof refusals)[number] => [
    `a PostgreSQL URL that means something else: ${rest}`,
    registerWith(`store: { type: postgres, url: "postgres://${rest}" }`),
    'registration.store.url',
    /^(?!.*hush).*percent-encoded: # is %23/,
  ]),
  [
    'a rate in words',
    registerWith('rateLimit: 60 per minute'),
    'registration.rateLimit',
    /a rate such as 60\/min/,
  ],
  ['keys that end at once', registerWith('keyTtl: 10s'), 'registration.keyTtl', /at least 1m/],
  [
    'registration at a path with a meaning',
    registerWith('path: /sets/x'),
    'registration.path',
    /documents of every set/,
  ],
  [
    'a set below the registration of keys',
    `${registerWith('path: /keys')}\nsets: { x: { sources: [a], paths: [/keys/x] } }`,
    'sets.x.paths[0]',
    /for the registration of keys/,
  ],
  ['validation of nobody', `${sources}validation: {}`, 'validation.issuers', /at least one issuer/],
  [
    'an issuer without a name',
    validate('a: { set: default }'),
    'validation.issuers.a.issuer',
    /or anyIssuer: true/,
  ],
  [
    'an issuer with a name and none',
    validate('a: { issuer: i, anyIssuer: true, set: default }'),
    'validation.issuers.a.issuer',
    /left out beside anyIssuer/,
  ],
  [
    'an issuer with two sets of keys',
    validate('a: { issuer: i, set: default }, b: { issuer: i, set: default }'),
    'validation.issuers.b',
    /has this issuer, and so does a/,
  ],
  [
    'an issuer with the keys of no set',
    validate('a: { issuer: i, set: defualt }'),
    'validation.issuers.a.set',
    /does not exist. Did you mean "default"/,
  ],
  [
    'HS256',
    validate('a: { issuer: i, set: default, algorithms: [HS256] }'),
    'validation.issuers.a.algorithms[0]',
    /must be "RS256"/,
  ],
  [
    'clocks an hour apart',
    validate('a: { issuer: i, set: default, clockSkew: 1h }'),
    'validation.issuers.a.clockSkew',
    /at most 5m/,
  ],
  [
    'a key file on another host',
    `${sources}validation: { okera: { publicKeys: [file://host/a.pub], algorithms: [RS256] } }`,
    'validation.okera.publicKeys[0]',
    /three slashes/,
  ],
  [
    'a token that is sent in the clear',
    `${sources}validation: { okera: { authenticationServerUrl: "http://a.example/" } }`,
    'validation.okera.authenticationServerUrl',
    /must be https/,
  ],
  [
    'a place of groups that is not given',
    validate('a: { issuer: i, set: default }', 'groups: { order: [claim, ldap] }'),
    'validation.groups.order[1]',
    /names ldap, but validation.groups.ldap is not given/,
  ],
  [
    'a directory in the clear',
    validate('a: { issuer: i, set: default }', 'groups: { ldap: { url: "ldap://l.example", base: x } }'),
    'validation.groups.ldap.url',
    /ldaps, or startTls/,
  ],
  [
    'groups in the clear',
    validate('a: { issuer: i, set: default }', 'groups: { http: { url: "http://g.example/" } }'),
    'validation.groups.http.url',
    /must be https/,
  ],
  [
    'a filter for nobody',
    validate(
      'a: { issuer: i, set: default }',
      'groups: { ldap: { url: "ldaps://l.example", base: x, userFilter: (uid=admin) } }',
    ),
    'validation.groups.ldap.userFilter',
    /must hold {{sub}}/,
  ],
  [
    'introspection for nobody',
    validate('a: { issuer: i, set: default }', 'introspection: {}'),
    'validation.introspection.clients',
    /at least one client/,
  ],
  [
    'a source with the name of another',
    'sources: { okera-keys: { type: files, path: x } }\nvalidation: { okera: { publicKeys: [file:///a], algorithms: [RS256] } }',
    'sources.okera-keys',
    /choose another/,
  ],
  // Listeners
  ['a port out of range', `${sources}server: { port: 65536 }`, 'server.port', /from 0 to 65535, not 65536/],
  ['a negative port', `${sources}ops: { port: -1 }`, 'ops.port', /from 0 to 65535/],
  ['a broken port', `${sources}server: { port: 80.5 }`, 'server.port', /whole number/],
  ['a port as text', `${sources}server: { port: "80" }`, 'server.port', /whole number/],
  [
    'a host with a scheme',
    `${sources}server: { host: "http://a" }`,
    'server.host',
    /host name or IP address/,
  ],
  ['one port for both listeners', `${sources}ops: { port: 8080 }`, 'ops.port', /public listener too/],
  [
    'a TLS section without key',
    `${sources}server: { tls: { certFile: a } }`,
    'server.tls.keyFile',
    /must be given/,
  ],
  [
    'a proxy that is no CIDR',
    `${sources}server: { trustProxy: [10.0.0.0/33] }`,
    'server.trustProxy[0]',
    /CIDR/,
  ],
  ['a proxy by name', `${sources}server: { trustProxy: [proxy] }`, 'server.trustProxy[0]', /CIDR/],
  [
    'an IPv6 prefix too long',
    `${sources}server: { trustProxy: ["::1/129"] }`,
    'server.trustProxy[0]',
    /CIDR/,
  ],
  [
    'no time for requests',
    `${sources}server: { requestTimeout: 0s }`,
    'server.requestTimeout',
    /at least 1s/,
  ],
  ['no room for bodies', `${sources}server: { bodyLimit: 10B }`, 'server.bodyLimit', /at least 1KiB/],
  [
    'a public URL with a query',
    `${sources}server: { publicUrl: "https://a/?b" }`,
    'server.publicUrl',
    /query/,
  ],
  [
    'a public URL with a user',
    `${sources}server: { publicUrl: "https://u@a" }`,
    'server.publicUrl',
    /user name/,
  ],
  ['an empty token', `${sources}ops: { token: "" }`, 'ops.token', /bearer token or null$/],
  ['a token with a space', `${sources}ops: { token: "a b" }`, 'ops.token', /bearer token or null$/],
  // Origins
  [
    'an origin with a path',
    `${sources}cors: { origins: [https://a.example/] }`,
    'cors.origins[0]',
    /https:\/\/a\.example$/,
  ],
  [
    'an origin without scheme',
    `${sources}cors: { origins: [a.example] }`,
    'cors.origins[0]',
    /must be an origin/,
  ],
  [
    'the default port in an origin',
    `${sources}cors: { origins: ["https://a:443"] }`,
    'cors.origins[0]',
    /https:\/\/a$/,
  ],
  [
    'a pattern as origin',
    `${sources}cors: { origins: ["https://*.a.example"] }`,
    'cors.origins[0]',
    /patterns/,
  ],
  ['* in a list', `${sources}cors: { origins: ["*"] }`, 'cors.origins[0]', /stands alone/],
  [
    'one origin without a list',
    `${sources}cors: { origins: https://a.example }`,
    'cors.origins',
    /"\*" or a list/,
  ],
  // Names
  [
    'a source called constructor',
    'sources: { constructor: { type: files, path: x } }',
    'sources.constructor',
    /usable name/,
  ],
  [
    'a source called __proto__',
    'sources: { __proto__: { type: files, path: x } }',
    'sources.__proto__',
    /usable name/,
  ],
  ['a set called toString', sets('  toString: { sources: [a] }'), 'sets.toString', /usable name/],
  ['a name with a dot first', sets('  .a: { sources: [a] }'), 'sets[".a"]', /not a dot first/],
  ['a name with a slash', sets('  a/b: { sources: [a] }'), 'sets["a/b"]', /usable name/],
  ['a name too long', sets(`  ${'a'.repeat(65)}: { sources: [a] }`), `sets.${'a'.repeat(65)}`, /1 to 64/],
  ['an empty name', sets('  "": { sources: [a] }'), 'sets[""]', /usable name/],
  // Sources
  ['no source at all', 'server: {}', 'sources', /at least one source/],
  [
    'a source without type',
    'sources: { a: { path: x } }',
    'sources.a.type',
    /must be given: files, jwks or oidc/,
  ],
  ['an unknown type', 'sources: { a: { type: file, path: x } }', 'sources.a.type', /Did you mean "files"/],
  ['a source that is a text', 'sources: { a: https://x.example }', 'sources.a', /section/],
  ['files without path', 'sources: { a: { type: files } }', 'sources.a.path', /must be given/],
  ['an empty path', 'sources: { a: { type: files, path: "" } }', 'sources.a.path', /file path/],
  ['jwks without url', 'sources: { a: { type: jwks } }', 'sources.a.url', /must be given/],
  ['oidc without issuer', 'sources: { a: { type: oidc } }', 'sources.a.issuer', /must be given/],
  [
    'a URL without scheme',
    'sources: { a: { type: jwks, url: sso.example.org } }',
    'sources.a.url',
    /URL such as/,
  ],
  [
    'a URL of another scheme',
    'sources: { a: { type: jwks, url: "file:///x" } }',
    'sources.a.url',
    /URL such as/,
  ],
  [
    'a URL without host',
    'sources: { a: { type: jwks, url: "https://:80/" } }',
    'sources.a.url',
    /URL such as/,
  ],
  [
    'a URL with user info',
    'sources: { a: { type: jwks, url: "https://u:p@h/" } }',
    'sources.a.url',
    /user name or password/,
  ],
  [
    'a URL with empty user info',
    'sources: { a: { type: jwks, url: "https://@h/" } }',
    'sources.a.url',
    /user name/,
  ],
  [
    'a URL with a fragment',
    'sources: { a: { type: jwks, url: "https://h/#x" } }',
    'sources.a.url',
    /fragment/,
  ],
  [
    'a URL with an empty fragment',
    'sources: { a: { type: jwks, url: "https://h/#" } }',
    'sources.a.url',
    /fragment/,
  ],
  [
    'plain http',
    'sources: { a: { type: jwks, url: "http://sso.example.org/" } }',
    'sources.a.url',
    /allowInsecureHttp/,
  ],
  [
    'plain http to a look-alike',
    'sources: { a: { type: jwks, url: "http://127.0.0.1.example.org/" } }',
    'sources.a.url',
    /https/,
  ],
  [
    'an issuer on plain http',
    'sources: { a: { type: oidc, issuer: "http://h.example" } }',
    'sources.a.issuer',
    /https/,
  ],
  [
    'an issuer with a query',
    'sources: { a: { type: oidc, issuer: "https://h?a" } }',
    'sources.a.issuer',
    /query/,
  ],
  [
    'a jwksUri with a user',
    'sources: { a: { type: oidc, issuer: "https://h", jwksUri: "https://u@h" } }',
    'sources.a.jwksUri',
    /user name/,
  ],
  [
    'a jwksUri on plain http',
    'sources: { a: { type: oidc, issuer: "https://h", jwksUri: "http://h.example" } }',
    'sources.a.jwksUri',
    /https/,
  ],
  ['a proxy with a password', upstream('proxy: "http://u:p@proxy:3128"'), 'sources.a.proxy', /HTTPS_PROXY/],
  ['refreshMin below the floor', upstream('refreshMin: 999ms'), 'sources.a.refreshMin', /at least 1s/],
  ['maxStale below the floor', upstream('maxStale: 0s'), 'sources.a.maxStale', /at least 1s/],
  ['totalTimeout below the floor', upstream('totalTimeout: 10ms'), 'sources.a.totalTimeout', /at least 1s/],
  [
    'connectTimeout below the floor',
    upstream('connectTimeout: 0s'),
    'sources.a.connectTimeout',
    /at least 1s/,
  ],
  ['refreshInterval of nothing', upstream('refreshInterval: 0s'), 'sources.a.refreshInterval', /at least 1s/],
  [
    'poll below the floor',
    'sources: { a: { type: files, path: x, poll: 100ms } }',
    'sources.a.poll',
    /at least 1s/,
  ],
  [
    'refreshMin above refreshMax',
    upstream('refreshMin: 10m'),
    'sources.a.refreshMin',
    /10m, more than refreshMax, 5m/,
  ],
  [
    'refreshMax below the default refreshMin',
    upstream('refreshMax: 30s'),
    'sources.a.refreshMin',
    /60s, more than refreshMax, 30s/,
  ],
  ['too much jitter', upstream('jitter: 51%'), 'sources.a.jitter', /up to 50%/],
  ['no keys allowed', upstream('maxKeys: 0'), 'sources.a.maxKeys', /from 1 to/],
  ['no body allowed', upstream('maxBody: 1B'), 'sources.a.maxBody', /at least 1KiB/],
  ['an unknown staleIfError', upstream('staleIfError: sometimes'), 'sources.a.staleIfError', /"rfc9111"/],
  [
    'a redirect host with a scheme',
    upstream('allowRedirectHosts: ["https://h"]'),
    'sources.a.allowRedirectHosts[0]',
    /host/,
  ],
  ['a header jwksd sets', upstream('headers: { Host: x }'), 'sources.a.headers.Host', /sets itself/],
  [
    'a header given twice',
    upstream('headers: { x-a: "1", X-A: "2" }'),
    'sources.a.headers.X-A',
    /given twice/,
  ],
  [
    'a header name with a space',
    upstream('headers: { "x a": "1" }'),
    'sources.a.headers["x a"]',
    /header name/,
  ],
  [
    'a header value with a line end',
    upstream(String.raw`headers: { x: "a\r\nb: c" }`),
    'sources.a.headers.x',
    /visible ASCII$/,
  ],
  [
    'a token and an authorization header',
    upstream('bearerTokenFile: t, headers: { Authorization: x }'),
    'sources.a.headers.Authorization',
    /secret given twice/,
  ],
  [
    'generated keys nobody reads',
    'sources: { a: { type: files, path: ./x, generateIfEmpty: { dir: ./data } } }',
    'sources.a.generateIfEmpty.dir',
    /path must be/,
  ],
  [
    'generated keys without dir',
    'sources: { a: { type: files, path: ./x, generateIfEmpty: {} } }',
    'sources.a.generateIfEmpty.dir',
    /must be given/,
  ],
  [
    'an algorithm for generated keys that is secret',
    'sources: { a: { type: files, path: ./x/outputs, generateIfEmpty: { alg: HS256, dir: ./x } } }',
    'sources.a.generateIfEmpty.alg',
    /"ES256"/,
  ],
  // Sets
  [
    'several sources and no sets',
    'sources: { a: { type: files, path: x }, b: { type: files, path: y } }',
    'sets',
    /several: a, b/,
  ],
  [
    'an unknown source',
    sets('  default: { sources: [aa] }'),
    'sets.default.sources[0]',
    /"aa".*Did you mean "a"/,
  ],
  ['a source twice in a set', sets('  default: { sources: [a, a] }'), 'sets.default.sources[1]', /twice/],
  ['a source without list', sets('  default: { sources: a }'), 'sets.default.sources', /list.*write \[a\]/],
  ['a set without any source', sets('  default: { sources: [] }'), 'sets.default.sources', /empty list/],
  ['an unknown profile', sets('  default: { profile: octoka }'), 'sets.default.profile', /"opencast"/],
  ['maxAge 0s for jitsi', sets('  j: { profile: jitsi, maxAge: 0s }'), 'sets.j.maxAge', /loop/],
  ['maxAge 61s for jitsi', sets('  j: { profile: jitsi, maxAge: 61s }'), 'sets.j.maxAge', /here 1s/],
  ['maxAge 119s for jitsi', sets('  j: { profile: jitsi, maxAge: 119s }'), 'sets.j.maxAge', /here 59s/],
  ['maxAge of half a second', sets('  default: { maxAge: 500ms }'), 'sets.default.maxAge', /whole seconds/],
  // Paths
  ['a path without slash', sets('  x: { paths: [keys] }'), 'sets.x.paths[0]', /start with "\/"/],
  ['a path with ..', sets('  x: { paths: [/a/../b] }'), 'sets.x.paths[0]', /"\.\."/],
  ['a path with a dot segment', sets('  x: { paths: [/a/./b] }'), 'sets.x.paths[0]', /"\."/],
  ['a path with //', sets('  x: { paths: [/a//b] }'), 'sets.x.paths[0]', /collapsed/],
  ['a path with a query', sets('  x: { paths: ["/a?b"] }'), 'sets.x.paths[0]', /query/],
  ['a path with a percent sign', sets('  x: { paths: [/a%2fb] }'), 'sets.x.paths[0]', /percent/],
  ['a path with a parameter', sets('  x: { paths: ["/:a"] }'), 'sets.x.paths[0]', /must be of/],
  ['a path with a wildcard', sets('  x: { paths: ["/a/*"] }'), 'sets.x.paths[0]', /must be of/],
  ['a path with NUL', sets(String.raw`  x: { paths: ["/a\0b"] }`), 'sets.x.paths[0]', /must be of/],
  ['the landing page', sets('  x: { paths: [/] }'), 'sets.x.paths[0]', /landingPage: false/],
  ['a probe', sets('  x: { paths: [/livez] }'), 'sets.x.paths[0]', /probes/],
  ['another probe', sets('  x: { paths: [/healthz] }'), 'sets.x.paths[0]', /probes/],
  ['a path below /sets', sets('  x: { paths: [/sets/y/jwks.json] }'), 'sets.x.paths[0]', /by name/],
  ['a path of token validation', sets('  x: { paths: [/validate/a] }'), 'sets.x.paths[0]', /validation/],
  [
    'two sets on one path',
    sets('  x: { paths: [/k] }\n  y: { paths: [/k] }'),
    'sets.y.paths[0]',
    /sets\.x has already/,
  ],
  [
    "the default set's path",
    sets('  default: {}\n  y: { paths: [/.well-known/jwks.json] }'),
    'sets.y.paths[0]',
    /sets\.default/,
  ],
  ['one path twice', sets('  x: { paths: [/k, /k] }'), 'sets.x.paths[1]', /already/],
  [
    'two sets on one PEM path',
    sets('  x: { pem: { paths: [/k] } }\n  y: { pem: { paths: [/k/] } }'),
    'sets.y.pem.paths[0]',
    /sets\.x/,
  ],
  [
    "the default set's PEM path",
    sets('  default: {}\n  y: { pem: { paths: [/certs] } }'),
    'sets.y.pem.paths[0]',
    /sets\.default/,
  ],
  [
    'a PEM path below /sets',
    sets('  x: { pem: { paths: [/sets/y/keys] } }'),
    'sets.x.pem.paths[0]',
    /by name/,
  ],
  [
    'a document in the place of a PEM',
    sets(`  x: { paths: [/k/${'a'.repeat(64)}.pem], pem: { paths: [/k] } }`),
    'sets.x.paths[0]',
    /PEM of another path/,
  ],
  ['pem without paths', sets('  x: { pem: {} }'), 'sets.x.pem.paths', /must be given/],
];

describe('what is refused, with its path and reason', () => {
  test.each(refusals)('%s', async (_title, yaml, path, message) => {
    const found = await problems({ yaml });
    expect(found.map((problem) => problem.path)).toEqual([path]);
    expect(found[0]?.message).toMatch(message);
    expect(found[0]?.line ?? 1).toBeGreaterThan(0);
  });
});

const accepted: [title: string, yaml: string][] = [
  ['maxAge 60s for jitsi', sets('  j: { profile: jitsi, maxAge: 60s }')],
  ['maxAge 120s for jitsi', sets('  j: { profile: jitsi, maxAge: 120s }')],
  ['maxAge 61s for others', sets('  j: { profile: generic, maxAge: 61s }')],
  ['plain http to localhost', 'sources: { a: { type: jwks, url: "http://localhost:9000/" } }'],
  ['plain http to 127.0.0.2', 'sources: { a: { type: jwks, url: "http://127.0.0.2/" } }'],
  ['plain http to [::1]', 'sources: { a: { type: jwks, url: "http://[::1]:9000/" } }'],
  [
    'plain http where it is allowed',
    'sources: { a: { type: jwks, url: "http://kc/x", allowInsecureHttp: true } }',
  ],
  ['a URL with a query', 'sources: { a: { type: jwks, url: "https://h/x?p=1" } }'],
  ['removalConfirm 0s', upstream('removalConfirm: 0s')],
  ['the floors themselves', upstream('refreshMin: 1s, maxStale: 1s, totalTimeout: 1s, connectTimeout: 1s')],
  ['port 0 for both listeners', `${sources}server: { port: 0 }\nops: { port: 0 }`],
  ['one port on two addresses', `${sources}server: { host: 10.0.0.1 }\nops: { port: 8080 }`],
  ['one port while ops is off', `${sources}ops: { enabled: false, port: 8080 }`],
  ['a path of / without landing page', `${sets('  x: { paths: [/] }')}\nserver: { landingPage: false }`],
  ['a document below a PEM path', sets('  x: { paths: [/k/jwks.json], pem: { paths: [/k] } }')],
  ['a document and PEMs on one path', sets('  x: { paths: [/k], pem: { paths: [/k] } }')],
  ['null registration and validation', `${sources}registration: null\nvalidation: null`],
  ['registration', registerWith('proof: cas')],
  ...[
    'u:a%23b%2Fc@h:5432/d?sslmode=require',
    'h',
    'u@%2Frun%2Fpostgresql/d',
    'u:p@/d?host=/run/postgresql',
    '/d',
    'u@[::1]/d',
    'h/d?user=a@b',
  ].map((rest): (typeof accepted)[number] => [
    `postgres://${rest}`,
    registerWith(`store: { type: postgres, url: "postgres://${rest}" }`),
  ]),
  ['a list of origins', `${sources}cors: { origins: ["https://a.example", "http://localhost:3000"] }`],
  ['an empty list of origins', `${sources}cors: { origins: [] }`],
  ['CIDRs of both families', `${sources}server: { trustProxy: [10.0.0.0/8, "fd00::/8", "::1"] }`],
];

test.each(accepted)('accepted: %s', async (_title, yaml) => {
  await expect(config({ yaml })).resolves.toBeDefined();
});

test('ten mistakes in one file are ten problems, each with its line', async () => {
  const yaml = `server:
  port: 99999
  hots: x
  requestTimeout: 5
cors: { origins: [https://a.example/] }
log: { level: verbose }
registration: {}
sources:
  a: { type: jwks, url: "https://u:p@sso.example.org/x" }
  b: { type: file, path: x }
sets:
  default: { sources: [a, c] }
  jitsi: { sources: [b], profile: jitsi, maxAge: 61s, paths: [/livez] }
`;
  const found = await problems({ yaml });
  expect(found.map(({ path, line }) => [line, path])).toEqual([
    [2, 'server.port'],
    [3, 'server.hots'],
    [4, 'server.requestTimeout'],
    [5, 'cors.origins[0]'],
    [6, 'log.level'],
    [7, 'registration.accessToken'],
    [9, 'sources.a.url'],
    [10, 'sources.b.type'],
    [12, 'sets.default.sources[1]'],
    [13, 'sets.jitsi.maxAge'],
    [13, 'sets.jitsi.paths[0]'],
  ]);
});

test('no problem repeats a secret', async () => {
  const yaml = `ops: { token: "hush hush" }
sources:
  a:
    type: jwks
    url: https://user:hush@sso.example.org/
    proxy: "http://user:hush@proxy:1"
    headers: { x: "hush\\u0001" }
    caFile: ["hush"]
`;
  const found = await problems({ yaml });
  expect(found.length).toBe(5);
  expect(JSON.stringify(found)).not.toContain('hush');
});

test('two sources cannot generate keys into one directory', async () => {
  const source = '{ type: files, path: ./d/outputs, generateIfEmpty: { dir: ./d } }';
  const yaml = `sources: { a: ${source}, b: ${source} }\nsets: { a: { sources: [a] }, b: { sources: [b] } }`;
  const found = await problems({ yaml });
  expect(found.map(({ path }) => path)).toEqual(['sources.b.generateIfEmpty.dir']);
});

describe('what is warned about', () => {
  test.each([
    ['plain http', upstream('allowInsecureHttp: true'), /sources\.a\.allowInsecureHttp/],
    [
      'redirects elsewhere',
      upstream('allowRedirectHosts: [b.example]'),
      /sources\.a\.allowRedirectHosts.*b\.example/,
    ],
    [
      'ops off loopback without token',
      `${sources}ops: { host: 0.0.0.0 }`,
      /ops\.host is 0\.0\.0\.0.*every write is refused/,
    ],
    ['a short token', `${sources}ops: { token: short }`, /ops\.token has fewer than 16/],
    [
      'a source in no set',
      'sources: { a: { type: files, path: x }, b: { type: files, path: y } }\nsets: { a: { sources: [a] } }',
      /sources\.b is in no set/,
    ],
  ])('%s', async (_title, yaml, expected) => {
    const { warnings } = await loaded({ yaml });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(expected);
  });

  test('safe settings are not', async () => {
    const yaml = `${sources}ops: { host: 0.0.0.0, token: 0123456789abcdef }`;
    expect((await loaded({ yaml })).warnings).toEqual([]);
  });
});
