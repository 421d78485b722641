import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LmdbStore } from '../../src/stores/lmdb/lmdb.ts';
import { createLog } from '../fakes/log.ts';
import { conformance } from './conformance.ts';

conformance('lmdb', { shared: true }, async () => {
  const home = await mkdtemp(path.join(tmpdir(), 'jwksd-lmdb-'));
  let places = 0;
  return {
    create: async () => {
      places += 1;
      const directory = path.join(home, `place.${places}`);
      return async (clock) => await LmdbStore.open(directory, clock, createLog().log);
    },
    close: async () => await rm(home, { recursive: true, force: true }),
  };
});
