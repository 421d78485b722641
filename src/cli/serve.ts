import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { systemClock } from '../clock.ts';
import type { Config } from '../config/config.ts';
import { JwksdError } from '../errors.ts';
import { buildApp } from '../http/app.ts';
import { createMetrics } from '../http/metrics.ts';
import { buildOps } from '../http/ops.ts';
import { DenyList } from '../keyring/deny-list.ts';
import type { KeyringView } from '../keyring/keyring.ts';
import { TlsFiles } from '../http/tls.ts';
import type { Io, Parsed } from './command.ts';
import { loadOrThrow } from './configuration.ts';
import { createLog } from './log.ts';
import { banner, generateMissingKeys } from './quickstart.ts';
import type { Registration } from './registration.ts';
import { reloader } from './reload.ts';
import { Service } from './service.ts';
import type { Validation } from './validation.ts';
import { version } from './version.ts';

/** Runs `jwksd serve`: the service, and the only place where its parts are put together. */
export const serve = async (parsed: Parsed, io: Io): Promise<never> => {
  const load = async () => await loadOrThrow(parsed, io);
  const { config, warnings } = await load();
  const log = await createLog(config.log);
  for (const warning of warnings) log.warn(warning);
  await generateMissingKeys(config, log);

  const denyList = await DenyList.open(config.state.dir);
  const service = new Service(log, denyList, (source, seconds) => metrics.observeFetch(source, seconds));
  const lifecycle = { draining: false };
  const { keyring } = service;
  let registration: Registration | undefined;
  const metrics = createMetrics({
    keyring,
    version,
    clockJumps: () => service.clockWatch.jumps,
    registration: () => registration,
    validation: () => validation?.figures(),
  });
  const common = { keyring, log, lifecycle, metrics, version };
  const tls = config.server.tls === null ? undefined : await openTls(config.server.tls, log);
  registration = await registrationOf(config, keyring, log);
  const validation = await validationOf(config, keyring, log);
  const app = buildApp({
    ...common,
    ...config.server,
    corsOrigins: config.cors.origins,
    tls: tls?.current ?? null,
    features: [registration, validation].flatMap((each) => each?.feature ?? []),
  });
  const ops = config.ops.enabled
    ? buildOps({ ...common, ...config.ops, registrations: registration?.store, validation })
    : undefined;
  tls?.watch(app);

  const close = async (grace: number): Promise<void> => {
    await drain(app, grace);
    if (ops !== undefined) await drain(ops, 1000);
    tls?.close();
    await registration?.close();
    validation?.close();
    await service.close();
  };
  const { delay, grace } = config.shutdown;
  // From here on, because as process 1 of a container a signal without a handler is ignored.
  const signals = closeWithGrace(
    // A close that hangs is cut off later than any close in order can take.
    { delay: delay + grace + 5000, skip: ['SIGHUP'], logger: false },
    async ({ signal, err }) => {
      if (err !== undefined) log.fatal({ err }, 'an error nobody caught ends the process');
      else log.info({ signal }, 'shutting down');
      lifecycle.draining = true;
      if (err === undefined) await sleep(delay);
      await close(grace);
      log.info('closed');
    },
  );
  process.on('SIGHUP', reloader({ load, service, log, running: config }));
  try {
    // What can be known without the network is there before the first request is.
    await service.apply(config);
    await validation?.start();
    const url = await listen(app, config.server, config.server.tls !== null);
    const opsUrl = ops === undefined ? undefined : await listen(ops, config.ops, false);
    io.stderr.write(banner(config, config.server.publicUrl ?? url, opsUrl));
  } catch (error) {
    signals.uninstall();
    await close(0);
    throw error;
  }
  // The signal handler ends the process.
  return await new Promise<never>(() => undefined);
};

/** Clients that register keys, where the configuration lets them. */
const registrationOf = async (
  config: Config,
  keyring: KeyringView,
  log: Logger,
): Promise<Registration | undefined> => {
  if (config.registration === null) return undefined;
  const { openRegistration } = await import('./registration.ts');
  return await openRegistration(config.registration, { keyring, log, publicUrl: config.server.publicUrl });
};

/** Tokens that are validated, where the configuration asks for it. */
const validationOf = async (
  config: Config,
  keyring: KeyringView,
  log: Logger,
): Promise<Validation | undefined> => {
  if (config.validation === null) return undefined;
  const { openValidation } = await import('./validation.ts');
  return await openValidation(config.validation, { keyring, log });
};

const openTls = async (files: NonNullable<Config['server']['tls']>, log: Logger): Promise<TlsFiles> => {
  try {
    return await TlsFiles.open(files, systemClock, log);
  } catch (error) {
    const why = error instanceof Error ? error.message : '';
    throw new JwksdError('config_invalid', `server.tls cannot be used: ${why}`, { cause: error });
  }
};

const listen = async (
  app: FastifyInstance,
  at: Config['ops' | 'server'],
  secure: boolean,
): Promise<string> => {
  try {
    await app.listen({ host: at.host, port: at.port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why: Record<string, string> = {
      EADDRINUSE: `port ${at.port} of ${at.host} is in use by another process; choose another port`,
      EACCES: `port ${at.port} needs more rights than this process has; choose one above 1023`,
      EADDRNOTAVAIL: `${at.host} is not an address of this machine`,
    };
    throw new JwksdError(
      'failed',
      why[code ?? ''] ?? `cannot listen on ${at.host}:${at.port} (${code ?? 'error'})`,
      {
        cause: error,
      },
    );
  }
  const { port } = app.server.address() as AddressInfo;
  const host = at.host === '0.0.0.0' || at.host === '::' ? 'localhost' : at.host;
  return `${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
};

/** Lets requests under way end for `grace` milliseconds, then ends their connections. */
const drain = async (app: FastifyInstance, grace: number): Promise<void> => {
  const cut = setTimeout(() => app.server.closeAllConnections(), grace);
  await app.close();
  clearTimeout(cut);
};
