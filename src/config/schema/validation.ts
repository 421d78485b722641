import { Type } from 'typebox';
import { choice, duration, filePath, flag, namePattern, nullable, url } from './values.ts';

const closed = { additionalProperties: false } as const;

/** Algorithms a token may be signed with (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864, RFC 9964); never `none`, never HS*. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
];

const text = (title: string, description: string) =>
  Type.String({ title, description, minLength: 1, maxLength: 1024 });

const IssuerSchema = Type.Object(
  {
    issuer: nullable('`iss` of the tokens, exactly. Null only with anyIssuer.', text('issuer', 'An issuer.')),
    anyIssuer: flag('Whether tokens of any issuer, or none, are taken. Not beside `issuer`.', false),
    set: text('name of a set', 'The set whose keys verify them, and nothing else.'),
    algorithms: nullable(
      'Algorithms that are taken; null: those of the keys.',
      Type.Array(Type.Enum(algorithms), { minItems: 1, maxItems: 20 }),
    ),
    audience: Type.Array(text('audience', 'An audience.'), {
      description: 'One of these must be in `aud`; empty: whatever it is.',
      maxItems: 100,
      default: [],
    }),
    clockSkew: duration('How far the clocks may be apart. At most 5m.', '5s'),
    allowNoExp: flag('Whether a token may live for ever.', false),
  },
  { title: 'section', description: 'An issuer and the keys of its tokens.', ...closed },
);

const keyFileUrl = Type.String({
  title: 'file URL',
  pattern: String.raw`^file://[^\s]+$`,
  examples: ['file:///etc/jwt/a.pub'],
});

const OkeraSchema = Type.Object(
  {
    publicKeys: Type.Array(keyFileUrl, {
      description: 'PEM files: SPKI, PKCS#1 or certificate. Also JWT_PUBLIC_KEY.',
      maxItems: 100,
      default: [],
    }),
    algorithms: Type.Array(Type.Enum([...algorithms, 'RSA256', 'RSA384', 'RSA512']), {
      description: 'One for each of publicKeys, in the same order. Also JWT_ALGORITHM.',
      maxItems: 100,
      default: [],
    }),
    authenticationServerUrl: nullable(
      'Asked first, with the token. Also JWT_AUTHENTICATION_SERVER_URL.',
      url('URL that answers with JSON and a text `sub`.'),
    ),
    fallback: choice(
      'When the keys here are tried after the server: whatever it said, when it could not be asked, or never.',
      ['always', 'unavailable-only', 'never'],
      'always',
    ),
    systemToken: nullable('The token of the system itself. Also SYSTEM_TOKEN.', keyFileUrl),
    systemSubject: Type.String({
      title: 'subject',
      description: '`sub` the system token must have.',
      minLength: 1,
      default: 'okera',
    }),
  },
  { title: 'section', ...closed },
);

const LdapSchema = Type.Object(
  {
    url: Type.String({
      title: 'LDAP URL',
      description: 'The directory.',
      pattern: String.raw`^ldaps?://[^\s]+$`,
      examples: ['ldaps://ldap.example.org'],
    }),
    bindDn: nullable('Who asks; null: anonymous.', text('DN', 'A distinguished name.')),
    passwordFile: nullable('File with its password alone; read again when it changes.', filePath('A file.')),
    base: text('DN', 'Where users and groups are.'),
    userFilter: Type.String({
      title: 'LDAP filter',
      description: 'How a user is found; {{sub}} is the subject, escaped.',
      minLength: 1,
      default: '(uid={{sub}})',
    }),
    filter: Type.String({
      title: 'LDAP filter',
      description: 'How groups are found; {{dn}} is the user, {{sub}} the subject, both escaped.',
      minLength: 1,
      default: '(member={{dn}})',
    }),
    attribute: Type.String({
      title: 'attribute',
      description: 'Attribute that names a group.',
      pattern: '^[A-Za-z][A-Za-z0-9-]{0,63}$',
      default: 'cn',
    }),
    startTls: flag('Whether a plain connection is turned into TLS before anything is said.', false),
    caFile: nullable("Certificates trusted beside the system's.", filePath('A PEM file.')),
    timeout: duration('Time for the whole question. At least 100ms.', '3s'),
    onError: choice('What a directory that cannot be asked means.', ['deny', 'empty'], 'deny'),
  },
  { title: 'section', ...closed },
);

const HttpGroupsSchema = Type.Object(
  {
    url: url('Asked with ?user=SUBJECT.'),
    timeout: duration('Time for the whole question. At least 100ms.', '3s'),
    onError: choice('What a server that cannot be asked means.', ['deny', 'empty'], 'deny'),
  },
  { title: 'section', ...closed },
);

const GroupsSchema = Type.Object(
  {
    order: Type.Array(Type.Enum(['claim', 'ldap', 'http']), {
      description: 'Where groups are looked for; the first that knows them decides.',
      minItems: 1,
      maxItems: 3,
      default: ['claim'],
    }),
    claim: Type.String({
      title: 'claim',
      description: 'Claim with the groups.',
      minLength: 1,
      default: 'groups',
    }),
    ldap: nullable('An LDAP directory.', LdapSchema),
    http: nullable('An HTTP server.', HttpGroupsSchema),
    cache: duration('How long answers of ldap and http are kept.', '60s'),
  },
  { description: 'Where the groups of a subject come from.', default: {}, ...closed },
);

const ClientsSchema = Type.Record(
  Type.String({ pattern: namePattern }),
  Type.Object(
    { secretFile: filePath('File with the secret alone; read again when it changes.') },
    { title: 'section', description: 'A caller of /introspect.', ...closed },
  ),
  { description: 'Who may ask, by client id.', default: {}, ...closed },
);

/** The section `validation`. */
export const ValidationSchema = nullable(
  'Tokens are validated for systems that cannot. Off unless given.',
  Type.Object(
    {
      issuers: Type.Record(Type.String({ pattern: namePattern }), IssuerSchema, {
        description: 'Whose tokens are valid, by a name for the log.',
        default: {},
        ...closed,
      }),
      okera: nullable('The names and ways of that product.', OkeraSchema),
      groups: GroupsSchema,
      introspection: nullable(
        'POST /introspect (RFC 7662). Null: there is none.',
        Type.Object({ clients: ClientsSchema }, { title: 'section', ...closed }),
      ),
      tokenCache: nullable(
        'Verified tokens are remembered. Null: each is verified each time.',
        Type.Object(
          {
            maxEntries: Type.Integer({
              description: 'Most tokens remembered.',
              minimum: 1,
              maximum: 1_000_000,
              default: 10_000,
            }),
            ttl: duration('How long one is remembered at most.', '60s'),
          },
          { title: 'section', ...closed },
        ),
      ),
    },
    { title: 'section', ...closed },
  ),
);
