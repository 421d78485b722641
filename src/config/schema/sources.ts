import { Type } from 'typebox';
import { choice, duration, filePath, flag, namePattern, nullable, size, url } from './values.ts';

const closed = { additionalProperties: false } as const;

/** Algorithms of RSA keys (RFC 7518 §3.1): a PEM names none, so the operator may. */
const rsaAlgs = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const;

const sourceType = 'What kind of source this is; it decides about the other keys.';

const FilesSchema = Type.Object(
  {
    type: Type.Literal('files', { description: sourceType }),
    path: filePath('A file or a directory: JWK, JWK Set, PEM (SPKI, PKCS#1 public, certificate), .pub.'),
    poll: duration('How often the content is looked at. At least 1s.', '2s'),
    alg: nullable(
      "Algorithm of RSA PEMs, which name none; EC and Ed25519 keys get their curve's.",
      Type.Enum([...rsaAlgs]),
    ),
    generateIfEmpty: nullable(
      'For a first try only: makes a key pair when `path` holds no key.',
      Type.Object(
        {
          alg: choice(
            'Algorithm of the key pair.',
            ['ES256', 'ES384', 'ES512', ...rsaAlgs, 'EdDSA'],
            'ES256',
          ),
          dir: filePath(
            'The private half goes to `keys/` in this directory, the public half to `outputs/`, which must be `path`.',
          ),
        },
        { title: 'section', ...closed },
      ),
    ),
  },
  { title: 'files', description: 'Keys in files.', ...closed },
);

const upstream = {
  required: flag('Whether the server is ready only with this source.', true),
  refreshInterval: duration("Time between refreshes when the upstream's headers say nothing.", '5m'),
  refreshMin: duration('Least time between refreshes, whatever the headers say. At least 1s.', '60s'),
  refreshMax: duration('Most time between refreshes, whatever the headers say.', '5m'),
  jitter: Type.String({
    title: 'percentage up to 50%',
    description: 'Share by which the time of a refresh is moved at random.',
    pattern: String.raw`^(?:[0-4]?\d|50)%$`,
    examples: ['10%'],
    default: '10%',
  }),
  maxStale: duration(
    'How long the last good keys are published while the upstream fails. At least 1s.',
    '24h',
  ),
  staleIfError: choice(
    'When the last good keys are kept: always, as RFC 9111 lets a cache, or never.',
    ['always', 'rfc9111', 'never'],
    'always',
  ),
  removalConfirm: duration(
    'A key missing from an answer goes when one at least this much later lacks it too.',
    '30s',
  ),
  connectTimeout: duration('Time for the connection. At least 1s.', '3s'),
  totalTimeout: duration('Time for one whole attempt, name lookup to last byte. At least 1s.', '10s'),
  maxBody: size('Largest answer, on the wire and decoded.', '1MiB'),
  maxKeys: Type.Integer({
    description: 'Most keys taken from one answer.',
    minimum: 1,
    maximum: 100_000,
    default: 1000,
  }),
  caFile: nullable("Certificates trusted beside the system's, for this upstream.", filePath('A PEM file.')),
  proxy: nullable('HTTP proxy; null: as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.', url('URL of the proxy.')),
  bearerTokenFile: nullable(
    'File whose content is sent as the bearer token; read for every attempt.',
    filePath('A file with the token alone.'),
  ),
  headers: Type.Record(
    Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9-]{0,63}$' }),
    Type.String({
      title: 'header value of visible ASCII',
      pattern: '^[\\u0009\\u0020-\\u007e]{0,4096}$',
      writeOnly: true,
    }),
    { description: "Request headers besides jwksd's own.", default: {}, ...closed },
  ),
  allowInsecureHttp: flag(
    'Whether plain http is used off loopback, where anybody between can change the keys.',
    false,
  ),
  allowRedirectHosts: Type.Array(
    Type.String({
      title: 'host with or without port',
      pattern: String.raw`^(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$`,
      examples: ['keys.example.org'],
    }),
    { description: 'Other hosts a redirect may lead to.', maxItems: 100, default: [] },
  ),
  blockPrivateAddresses: flag('Whether addresses of private networks are refused.', false),
};

const JwksSchema = Type.Object(
  {
    type: Type.Literal('jwks', { description: sourceType }),
    url: url('Where the JWK Set is.'),
    ...upstream,
  },
  { title: 'jwks', description: 'A JWK Set at a URL.', ...closed },
);

const OidcSchema = Type.Object(
  {
    type: Type.Literal('oidc', { description: sourceType }),
    issuer: url('The issuer, exactly as its discovery document names it.'),
    jwksUri: nullable('Overrides what discovery says.', url('Where the JWK Set is.')),
    ...upstream,
  },
  { title: 'oidc', description: 'An OpenID provider, found by discovery.', ...closed },
);

/** The section `sources`. */
export const SourcesSchema = Type.Record(
  Type.String({ pattern: namePattern }),
  Type.Union([FilesSchema, JwksSchema, OidcSchema]),
  { description: 'Where keys come from, by name.', default: {}, ...closed },
);
