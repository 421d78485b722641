import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { Loaded } from '../config/load.ts';
import { generateMissingKeys } from './quickstart.ts';
import type { Service } from './service.ts';

/** What a reload works with. */
export interface ReloadParts {
  /** Loads the configuration the way the process was started. */
  readonly load: () => Promise<Loaded>;
  readonly service: Service;
  readonly log: Logger;
  /** The configuration in effect. */
  readonly running: Config;
}

/** Sections whose change needs other sockets or another process. */
const fixed = ['server', 'ops', 'cors', 'state', 'shutdown', 'registration', 'validation'] as const;

/**
 * A handler for SIGHUP: reads the configuration again and applies sources, sets and the log level.
 *
 * A configuration with problems, or without the source that the running registration needs, changes nothing, and neither does one whose reload fails half way. Signals that arrive
 * during a reload are handled after it, one for all.
 */
export const reloader = ({ load, service, log, running }: ReloadParts): (() => void) => {
  let config = running;
  let busy = false;
  let again = false;
  const reload = async (): Promise<void> => {
    try {
      const loaded = await load();
      for (const warning of loaded.warnings) log.warn(warning);
      const restart: string[] = fixed.filter(
        (section) => JSON.stringify(loaded.config[section]) !== JSON.stringify(config[section]),
      );
      if (loaded.config.log.pretty !== config.log.pretty) restart.push('log.pretty');
      if (restart.length > 0)
        log.warn({ sections: restart }, 'these sections changed and need a restart to take effect');
      keepsNeededSource(running, loaded.config);
      keepsIssuers(running, loaded.config);
      await generateMissingKeys(loaded.config, log);
      const next = {
        ...config,
        log: loaded.config.log,
        sources: loaded.config.sources,
        sets: loaded.config.sets,
      };
      log.level = next.log.level;
      await service.apply(next);
      config = next;
      log.info({ file: loaded.file }, 'configuration reloaded');
    } catch (error) {
      log.level = config.log.level;
      log.error(`the configuration was not reloaded, the running one stays: ${(error as Error).message}`);
    }
  };
  const run = async (): Promise<void> => {
    busy = true;
    do {
      again = false;
      await reload();
    } while (again);
    busy = false;
  };
  return () => {
    again = true;
    if (!busy) void run();
  };
};

/** Throws when the next configuration lacks the source whose keys verify access tokens until the next start. */
const keepsNeededSource = ({ registration }: Config, next: Config): void => {
  if (registration?.accessToken.type !== 'jwt') return;
  const { source } = registration.accessToken;
  if (next.sources.some(({ name }) => name === source)) return;
  throw new Error(
    `registration runs with the source ${JSON.stringify(source)}, which the file no longer has; restart to change both`,
  );
};

/**
 * Throws when tokens are validated in another way from the next start on.
 *
 * Issuers name their sets: with new sets below the issuers of before, a token could be verified with the keys of another
 * issuer until the restart (RFC 8725 §3.8).
 */
const keepsIssuers = ({ validation }: Config, next: Config): void => {
  if (validation === null || JSON.stringify(validation) === JSON.stringify(next.validation)) return;
  throw new Error(
    'the section validation changed, which goes together with sources and sets; restart instead',
  );
};
