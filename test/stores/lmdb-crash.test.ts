import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildProgram, type Program } from '../fakes/program.ts';
import { raceProcesses, surviveKills } from './crash.ts';

/** `npm run test:durability` asks for a thousand. */
const rounds = Number(process.env['JWKSD_TEST_KILLS'] ?? 30);

describe('an lmdb store', () => {
  let home: string;
  let writer: Program;
  let filler: Program;

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'jwksd-lmdb-crash-'));
    writer = await buildProgram('test/stores/writer-process.ts');
    filler = await buildProgram('test/stores/filler-process.ts');
  });
  afterAll(async () => {
    await Promise.all([writer.remove(), filler.remove(), rm(home, { recursive: true, force: true })]);
  });

  test(
    'loses nothing that was acknowledged when its process is killed, and keeps nothing by half',
    async () => {
      await surviveKills(writer.file, { type: 'lmdb', path: path.join(home, 'killed') }, rounds);
    },
    Math.max(180_000, rounds * 10_000),
  );

  test('is decided one after the other for three processes on one directory', async () => {
    await raceProcesses(writer.file, { type: 'lmdb', path: path.join(home, 'raced') }, 400);
  }, 60_000);

  test.skipIf(process.platform === 'win32')(
    'on a full disk refuses writes, answers reads, and writes again when there is room',
    async () => {
      // A limit on the size of files: the write fails as on a full disk, and needs no rights and no file system of its own.
      const command = `trap '' XFSZ; ulimit -S -f 2048; exec "$0" "$@"`;
      const child = spawn('bash', ['-c', command, process.execPath, filler.file, path.join(home, 'full')], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
      const code = await new Promise((resolve) => void child.once('close', resolve));
      const report = JSON.parse(output) as Record<string, unknown>;
      expect(code).toBe(0);
      expect(report).toEqual({
        refusal: 'store_unavailable',
        healthyWhenFull: false,
        stillRefused: 'store_unavailable',
        lost: 0,
        unexpected: 0,
        afterRoomWasMade: 'created',
        healthyAgain: true,
      });
    },
    60_000,
  );
});
