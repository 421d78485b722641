import { PostgresStore } from '../../src/stores/postgres/postgres.ts';
import { createLog } from '../fakes/log.ts';
import { startPostgres } from '../fakes/postgres.ts';
import { conformance } from './conformance.ts';

conformance('postgres', { shared: true }, async () => {
  const server = await startPostgres();
  return {
    create: async () => {
      const url = await server.database();
      return async (clock) => await PostgresStore.open(url, clock, createLog().log);
    },
    close: async () => await server.stop(),
  };
});
