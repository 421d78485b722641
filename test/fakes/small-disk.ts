import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import { temporaryDirectory } from './jwksd.ts';

const mount = (directory: string, size = '64k'): void => {
  const options = ['-t', 'tmpfs', '-o', `size=${size}`, 'jwksd-test', directory];
  execFileSync('mount', options, { stdio: 'ignore' });
};

/** Whether this process may mount: root often may, in a container seldom. */
export const mayMount = ((): boolean => {
  const directory = mkdtempSync(path.join(tmpdir(), 'jwksd-mount-'));
  try {
    mount(directory);
    execFileSync('umount', [directory]);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(directory);
  }
})();

/** A file system of its own with room for a few pages (64 KiB unless given), and means to fill and to free it. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  fill(): Promise<void>;
  free(): Promise<void>;
}

/** Mounts a small disk; it goes when it is disposed of. */
export const smallDisk = async (size?: '512k'): Promise<SmallDisk> => {
  const directory = await temporaryDirectory();
  mount(directory.path, size);
  const filler = path.join(directory.path, '.filler');
  return {
    path: directory.path,
    fill: async () => {
      const outcome = await writeFile(filler, Buffer.alloc(1 << 20)).then(
        () => 'all of it',
        (error: unknown) => (error as NodeJS.ErrnoException).code,
      );
      expect(outcome).toBe('ENOSPC');
    },
    free: async () => await rm(filler),
    [Symbol.asyncDispose]: async () => {
      execFileSync('umount', [directory.path]);
      await directory[Symbol.asyncDispose]();
    },
  };
};
