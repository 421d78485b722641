import { Type } from 'typebox';
import { choice, duration, filePath, flag, host, nullable, port, size, url } from './values.ts';

const closed = { additionalProperties: false } as const;

const ServerSchema = Type.Object(
  {
    host: host('Address of the public listener. The container image sets 0.0.0.0.', '127.0.0.1'),
    port: port('Port of the public listener; 0 takes any free port.', 8080),
    publicUrl: nullable(
      'URL under which clients reach this server: for printed URLs, the registration audience and issuer documents.',
      url('An http or https URL without query and fragment.'),
    ),
    tls: nullable(
      'HTTPS served by jwksd itself; the files are read again when they change.',
      Type.Object(
        {
          certFile: filePath('PEM file: the certificate, then its chain.'),
          keyFile: filePath('PEM file: the private key of the certificate.'),
        },
        { title: 'section', ...closed },
      ),
    ),
    trustProxy: Type.Union(
      [
        Type.Boolean(),
        Type.Array(
          Type.String({
            title: 'IP address or CIDR',
            pattern: String.raw`^[0-9A-Fa-f.:]+(?:/\d{1,3})?$`,
            examples: ['10.0.0.0/8', '::1'],
          }),
          { minItems: 1 },
        ),
      ],
      {
        description:
          "Whose X-Forwarded-* headers are believed: nobody's, everybody's, or those of these addresses.",
        default: false,
      },
    ),
    requestTimeout: duration(
      'Time a client has to send its request, header included; a slow client cannot hold a socket longer. At least 1s.',
      '10s',
    ),
    bodyLimit: size('Largest request body.', '16KiB'),
    landingPage: flag('Whether GET / tells people what this server publishes.', true),
  },
  { description: 'The public listener.', default: {}, ...closed },
);

const OpsSchema = Type.Object(
  {
    enabled: flag('Whether the second listener exists.', true),
    host: host('Address of the second listener.', '127.0.0.1'),
    port: port('Port of the second listener; 0 takes any free port.', 9464),
    token: nullable(
      'Bearer token of every write. Without it writes are refused unless the listener is on loopback.',
      Type.String({
        title: 'bearer token',
        pattern: '^[\\u0021-\\u007e]{1,1024}$',
        writeOnly: true,
      }),
    ),
  },
  { description: 'The second listener: metrics, status, administration.', default: {}, ...closed },
);

const CorsSchema = Type.Object(
  {
    origins: Type.Union(
      [
        Type.Literal('*'),
        Type.Array(Type.String({ title: 'origin', examples: ['https://app.example.org'] }), {
          maxItems: 100,
        }),
      ],
      {
        description: 'Who may read the public documents from a browser: `*`, or a list of origins.',
        default: '*',
      },
    ),
  },
  {
    description: 'Cross-origin reads of the public documents; never of anything that writes.',
    default: {},
    ...closed,
  },
);

const LogSchema = Type.Object(
  {
    level: choice(
      'Least level that is logged.',
      ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
      'info',
    ),
    pretty: Type.Union([Type.Literal('auto'), Type.Boolean()], {
      description: 'Lines for people instead of JSON; `auto`: on a terminal.',
      default: 'auto',
    }),
  },
  { description: 'The log, on standard output.', default: {}, ...closed },
);

const StateSchema = Type.Union(
  [
    Type.Object(
      {
        dir: Type.Union([filePath('A directory jwksd may write to.'), Type.Null()], {
          description:
            'Directory of the last-known-good copies and the deny list; null turns persistence off.',
          default: './data/state',
        }),
      },
      { title: 'section', ...closed },
    ),
    Type.Null(),
  ],
  { description: 'What outlives a restart; null turns persistence off.', default: {} },
);

const ShutdownSchema = Type.Object(
  {
    delay: duration('Time between readiness falling and connections being closed.', '0s'),
    grace: duration('Time open connections have to finish.', '10s'),
  },
  {
    description: 'Readiness falls first, then `delay`, then connections drain for `grace`.',
    default: {},
    ...closed,
  },
);

/** The sections about the process itself. */
export const processSections = {
  server: ServerSchema,
  ops: OpsSchema,
  cors: CorsSchema,
  log: LogSchema,
  state: StateSchema,
  shutdown: ShutdownSchema,
};
