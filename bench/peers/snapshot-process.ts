import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Key } from '../../src/jwk/key.ts';
import { buildSnapshot, emptySnapshot } from '../../src/keyring/build.ts';
import { FileReader } from '../../src/sources/file-reader.ts';
import { readCandidate } from '../../src/sources/upstream/accept.ts';
import { watchBlocks, type Blocks } from '../support/blocks.ts';

/** What one process measured. */
export interface SnapshotTimes {
  readonly keys: number;
  /** Milliseconds from bytes to admitted keys. */
  readonly admission: number;
  /** Milliseconds from keys to a snapshot, compressed copies included. */
  readonly render: number;
  readonly blocks: { readonly admission: Blocks; readonly render: Blocks };
}

const [kind, directory = ''] = process.argv.slice(2);
const file = path.join(directory, 'keys.json');

const admit = async (): Promise<readonly Key[]> => {
  if (kind === 'file') return (await new FileReader(file, {}).read(Date.now())).keys;
  const answer = { ok: true, status: 200, headers: {}, body: readFileSync(file) } as const;
  const candidate = await readCandidate(answer, 20_000);
  return candidate.parsed?.keys ?? [];
};

const blocks = watchBlocks();
await sleep(50);
blocks.read();
const begun = performance.now();
const keys = await admit();
const admitted = performance.now();
const admission = blocks.read();
const source = { name: 'bench', required: true, state: 'FRESH', keys } as const;
const set = {
  name: 'bench',
  sources: ['bench'],
  profile: 'generic',
  maxAge: 300_000,
  paths: ['/.well-known/jwks.json'],
  pemPaths: ['/certs'],
} as const;
const snapshot = await buildSnapshot({
  sets: [set],
  sources: new Map([['bench', source]]),
  denied: new Set(),
  previous: emptySnapshot,
  wall: Date.now(),
});
const built = performance.now();
await sleep(20);
const times: SnapshotTimes = {
  keys: snapshot.sets.get('bench')?.keys.length ?? 0,
  admission: admitted - begun,
  render: built - admitted,
  blocks: { admission, render: blocks.read() },
};
process.stdout.write(JSON.stringify(times));
