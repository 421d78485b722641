import { Type } from 'typebox';
import { choice, duration, namePattern, urlPath } from './values.ts';

const closed = { additionalProperties: false } as const;

const SetSchema = Type.Object(
  {
    sources: Type.Optional(
      Type.Array(Type.String({ title: 'name of a source' }), {
        description: 'Names of sources; order is priority. May be left out when there is exactly one source.',
        minItems: 1,
        maxItems: 1000,
      }),
    ),
    profile: choice(
      'The constraints of the clients of this set.',
      ['generic', 'jitsi', 'opencast', 'full'],
      'generic',
    ),
    maxAge: duration(
      'How long clients may keep the documents; whole seconds. Not 0s nor 61s-119s for jitsi.',
      '5m',
    ),
    paths: Type.Optional(
      Type.Array(urlPath('A path.'), {
        description:
          'Paths of the JWK Set besides /sets/{name}/jwks.json. The set named default has /.well-known/jwks.json unless this says otherwise.',
        maxItems: 100,
      }),
    ),
    pem: Type.Optional(
      Type.Union(
        [
          Type.Object(
            {
              paths: Type.Array(urlPath('A path.'), {
                description: 'Paths under which {kid digest}.pem is served.',
                maxItems: 100,
              }),
            },
            { title: 'section', ...closed },
          ),
          Type.Null(),
        ],
        {
          description:
            'Public key PEMs for Jitsi. Left out, the set named default has / and /certs, any other set none; null: none.',
        },
      ),
    ),
  },
  { title: 'section', description: 'One published JWK Set.', ...closed },
);

/** The section `sets`. */
export const SetsSchema = Type.Record(Type.String({ pattern: namePattern }), SetSchema, {
  description:
    'What is published, by name. With exactly one source it may be left out: that is the set default.',
  default: {},
  ...closed,
});
