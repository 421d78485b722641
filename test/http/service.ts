import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import pino from 'pino';
import type { AppOptions } from '../../src/http/app.ts';
import { buildApp } from '../../src/http/app.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { buildOps, type OpsOptions } from '../../src/http/ops.ts';
import type { Key } from '../../src/jwk/key.ts';
import type { SetSpec } from '../../src/keyring/build.ts';
import { DenyList } from '../../src/keyring/deny-list.ts';
import { Keyring } from '../../src/keyring/keyring.ts';
import { KeyCache } from '../../src/sources/key-cache.ts';
import type { Source } from '../../src/sources/source.ts';
import { ManualClock } from '../fakes/clock.ts';
import { admitted, pairs } from '../jwk/helpers.ts';

export const rsaKey = (kid?: string): Key =>
  admitted({ ...pairs.RSA.publicJwk, use: 'sig', alg: 'RS256', ...(kid === undefined ? {} : { kid }) });

export const ecKey = (kid?: string): Key =>
  admitted({ ...pairs['P-256'].publicJwk, use: 'sig', alg: 'ES256', ...(kid === undefined ? {} : { kid }) });

export const digest = (kid: string): string => createHash('sha256').update(kid).digest('hex');

export const spec = (name: string, more: Partial<SetSpec> = {}): SetSpec => ({
  name,
  sources: ['main'],
  profile: 'generic',
  maxAge: 300_000,
  paths: [],
  pemPaths: [],
  ...more,
});

/** The set most tests use: the default paths. */
export const defaultSet = spec('default', {
  paths: ['/.well-known/jwks.json'],
  pemPaths: ['/', '/certs'],
});

export interface Service {
  readonly app: FastifyInstance;
  readonly ops: FastifyInstance;
  readonly keyring: Keyring;
  readonly clock: ManualClock;
  readonly lifecycle: { draining: boolean };
  /** Lines logged so far. */
  readonly log: Record<string, unknown>[];
}

/** Both listeners on a real keyring, neither of them listening. */
export const service = async (parts: {
  sources: readonly Source[];
  sets?: readonly SetSpec[];
  app?: Partial<AppOptions>;
  ops?: Partial<OpsOptions>;
}): Promise<Service> => {
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    {},
    { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const log: FastifyBaseLogger = logger;
  const clock = new ManualClock();
  const keyring = new Keyring({
    clock,
    log: logger,
    cache: new KeyCache(),
    denyList: DenyList.inMemory(),
  });
  await keyring.replace({ sources: parts.sources, sets: parts.sets ?? [defaultSet] });
  const lifecycle = { draining: false };
  const metrics = createMetrics({
    keyring,
    version: '1.2.3',
    clockJumps: () => 2,
  });
  const app = buildApp({
    keyring,
    log,
    corsOrigins: '*',
    trustProxy: false,
    requestTimeout: 10_000,
    bodyLimit: 16_384,
    landingPage: true,
    publicUrl: null,
    tls: null,
    lifecycle,
    metrics,
    ...parts.app,
  });
  const ops = buildOps({
    keyring,
    log,
    lifecycle,
    metrics,
    version: '1.2.3',
    host: '127.0.0.1',
    token: null,
    ...parts.ops,
  });
  return { app, ops, keyring, clock, lifecycle, log: lines };
};

/** Listens on a free port of loopback. */
export const listen = async (app: FastifyInstance): Promise<number> => {
  await app.listen({ host: '127.0.0.1', port: 0 });
  return (app.server.address() as AddressInfo).port;
};

/** A connection that keeps all bytes it received. */
export class RawClient {
  readonly socket: net.Socket;
  readonly closed: Promise<unknown>;
  #received = '';

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (data: Buffer) => (this.#received += data.toString('latin1')));
    socket.on('error', () => undefined);
    // `once` would reject when the connection is reset, which is one way to close it.
    this.closed = new Promise((resolve) => void socket.once('close', resolve));
  }

  static async open(port: number, options: { allowHalfOpen?: boolean } = {}): Promise<RawClient> {
    const socket = net.connect({ port, host: '127.0.0.1', ...options });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  get received(): string {
    return this.#received;
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }
}

/** Sends one request as it is and resolves with everything that came back until the server closed. */
export const exchange = async (port: number, request: string): Promise<string> => {
  const client = await RawClient.open(port);
  client.send(request);
  await client.closed;
  return client.received;
};
