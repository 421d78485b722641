import { Type } from 'typebox';
import { choice, duration, filePath, flag, nullable, url, urlPath } from './values.ts';

const closed = { additionalProperties: false } as const;

const JwtSchema = Type.Object(
  {
    issuer: Type.String({
      title: 'issuer',
      description: '`iss` of the access tokens, exactly.',
      minLength: 1,
    }),
    source: Type.String({ title: 'name of a source', description: 'The source whose keys verify them.' }),
    audience: Type.String({ title: 'audience', description: 'What `aud` must hold.', minLength: 1 }),
  },
  { title: 'section', ...closed },
);

const IntrospectionSchema = Type.Object(
  {
    url: url('Introspection endpoint (RFC 7662).'),
    clientId: Type.String({ title: 'client id', description: 'How jwksd names itself there.', minLength: 1 }),
    clientSecretFile: filePath('File with the secret alone; read again when it changes.'),
  },
  { title: 'section', ...closed },
);

const storeType = 'Where registered keys are kept; it decides about the other keys.';

const StoreSchema = Type.Union(
  [
    Type.Object(
      { type: Type.Literal('memory', { description: storeType }) },
      { title: 'memory', description: 'Gone with the process; for trying out.', ...closed },
    ),
    Type.Object(
      {
        type: Type.Literal('lmdb', { description: storeType }),
        path: filePath('A directory jwksd may write to.', { default: './data/registrations' }),
      },
      {
        title: 'lmdb',
        description: 'Embedded; survives kill -9. For one machine, and no network file system.',
        ...closed,
      },
    ),
    Type.Object(
      {
        type: Type.Literal('postgres', { description: storeType }),
        url: Type.String({
          title: 'PostgreSQL URL',
          description: 'Connection URL; give it in a file or a variable, because it holds a password.',
          pattern: String.raw`^postgres(?:ql)?://[^\s]+$`,
          writeOnly: true,
        }),
      },
      { title: 'postgres', description: 'Shared by replicas.', ...closed },
    ),
  ],
  { description: 'Where registered keys are kept.', default: { type: 'lmdb' } },
);

/** The section `registration`. */
export const RegistrationSchema = nullable(
  'Clients register their keys with a proof, and have them published. Off unless given.',
  Type.Object(
    {
      path: urlPath('Path of the registration endpoint on the public listener.', {
        default: '/oidc/jwks/clients',
      }),
      proof: choice(
        'How a key is proved: freshly and bound to its client, or as CAS does.',
        ['strict', 'cas'],
        'strict',
      ),
      accessToken: Type.Object(
        {
          jwt: nullable('Access tokens are JWTs, verified with the keys of a source.', JwtSchema),
          introspection: nullable('Access tokens are opaque; their issuer is asked.', IntrospectionSchema),
        },
        { title: 'section', description: 'Who may register: exactly one of the two.', ...closed },
      ),
      scope: Type.String({
        title: 'scope',
        description: 'Scope an access token needs.',
        pattern: String.raw`^[\x21\x23-\x5b\x5d-\x7e]{1,256}$`,
        default: 'client_jwks_registration_scope',
      }),
      audience: nullable(
        'What `aud` of a proof may be besides the registration URL; null: server.publicUrl.',
        Type.String({ title: 'audience', minLength: 1, maxLength: 1024 }),
      ),
      store: StoreSchema,
      keyTtl: duration('How long a registered key is published after its last proof. At least 1m.', '400d'),
      maxKeysPerClient: Type.Integer({
        description: 'Most keys one client may have.',
        minimum: 1,
        maximum: 1000,
        default: 100,
      }),
      nonceRequired: flag('Whether a proof must hold a nonce of this server.', false),
      uniqueAcrossClients: flag('Whether a key may belong to one client only.', false),
      disabledClients: Type.Array(Type.String({ minLength: 1 }), {
        title: 'client ids',
        description: 'Clients that may register nothing, and whose keys are not shown.',
        uniqueItems: true,
        default: [],
      }),
      rateLimit: Type.String({
        title: 'rate',
        description: 'Requests per client and per address: a number and s, min or h.',
        pattern: String.raw`^[1-9]\d{0,6}/(?:s|min|h)$`,
        examples: ['60/min'],
        default: '60/min',
      }),
    },
    { title: 'section', ...closed },
  ),
);
