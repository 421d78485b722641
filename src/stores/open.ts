import type { Cancel, Clock } from '../clock.ts';
import type { RegistrationStore, StoreLog } from './store.ts';

/** Which store to open, and where. */
export type StoreOptions =
  | { readonly type: 'memory'; /** 100,000 when absent. */ readonly maxRecords?: number | undefined }
  | { readonly type: 'lmdb'; /** A directory, made when it is not there. */ readonly path: string }
  | {
      readonly type: 'postgres';
      /** `postgres://user:password@host/database`, as libpq has it. */ readonly url: string;
    };

const sweepEvery = 60_000;

/**
 * Opens a store and has it swept every minute until it is closed.
 *
 * Resolves with a PostgreSQL store even when the server is out of reach: it connects when that is possible. Libraries of
 * the other stores are not loaded.
 *
 * @throws {JwksdError} `store_unavailable` when the directory of an lmdb store cannot be opened
 */
export const openStore = async (
  options: StoreOptions,
  clock: Clock,
  log: StoreLog,
): Promise<RegistrationStore> => {
  const store = await openBackend(options, clock, log);
  let cancel: Cancel;
  const sweepLater = (): void => {
    cancel = clock.after(sweepEvery, () => {
      // Whatever stands in the way is told by the store's health, and by the next write.
      store.sweep().catch(() => undefined);
      sweepLater();
    });
  };
  sweepLater();
  const close = store.close.bind(store);
  store.close = async () => {
    cancel();
    await close();
  };
  return store;
};

const openBackend = async (
  options: StoreOptions,
  clock: Clock,
  log: StoreLog,
): Promise<RegistrationStore> => {
  if (options.type === 'memory') {
    const { MemoryStore } = await import('./memory.ts');
    log.warn({}, 'registered keys are held in memory: they are lost when jwksd ends');
    return new MemoryStore({ maxRecords: options.maxRecords ?? 100_000 }, clock);
  }
  if (options.type === 'lmdb') {
    const { LmdbStore } = await import('./lmdb/lmdb.ts');
    return await LmdbStore.open(options.path, clock, log);
  }
  const { PostgresStore } = await import('./postgres/postgres.ts');
  return await PostgresStore.open(options.url, clock, log);
};
