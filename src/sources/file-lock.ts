import { randomBytes } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { link, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a lock is waited for. */
export interface LockOptions {
  /** Milliseconds until waiting ends in an error, `EEXIST`: 2000. */
  readonly patience?: number;
}

/** What a lock protects takes milliseconds: one this old belongs to a process that was killed, or to a stopped machine. */
const abandonedAfter = 10_000;

/** Where a process number means something: a host, and on Linux the process namespace, which containers have of their own. */
const place = ((): string => {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
})();

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
};

const temporaryOf = (lock: string): string =>
  path.join(path.dirname(lock), `.${path.basename(lock)}.${randomBytes(6).toString('hex')}.tmp`);

/**
 * Runs `task` while no other process runs one under the same lock file.
 *
 * The lock of a process that was killed is taken over: at once where it can be seen that the process is gone, after ten
 * seconds elsewhere. Rejects as `task` does, or with `EEXIST` when the lock was not to be had.
 */
export const exclusively = async <T>(
  lock: string,
  task: () => Promise<T>,
  { patience = 2000 }: LockOptions = {},
): Promise<T> => {
  const mine = `${process.pid}\n${place}\n${randomBytes(12).toString('hex')}\n`;
  await acquire(lock, mine, performance.now() + patience);
  try {
    await sweepWaiting(lock);
    return await task();
  } finally {
    // Whoever took the lock for abandoned has it now.
    if ((await contentOf(lock)) === mine) await rm(lock, { force: true });
  }
};

const acquire = async (lock: string, mine: string, end: number): Promise<void> => {
  const temporary = temporaryOf(lock);
  try {
    // Written first and then linked: a lock never exists without the name of its owner.
    await writeFile(temporary, mine, { flag: 'wx', mode: 0o600 });
    for (;;) {
      try {
        return await claim(temporary, lock, mine);
      } catch (error) {
        if (codeOf(error) !== 'EEXIST' || performance.now() > end) throw error;
      }
      const content = await contentOf(lock);
      if (content !== undefined && (await isAbandoned(lock, content))) await takeAway(lock, content);
      else await sleep(20);
    }
  } finally {
    await rm(temporary, { force: true });
  }
};

/** Removes what processes left behind that were killed while they waited. */
const sweepWaiting = async (lock: string): Promise<void> => {
  const directory = path.dirname(lock);
  const ours = `.${path.basename(lock)}.`;
  for (const name of await readdir(directory)) {
    if (!name.startsWith(ours) || !name.endsWith('.tmp')) continue;
    const waiting = path.join(directory, name);
    const content = await contentOf(waiting);
    if (content !== undefined && (await isAbandoned(waiting, content))) await rm(waiting, { force: true });
  }
};

const claim = async (temporary: string, lock: string, mine: string): Promise<void> => {
  try {
    await link(temporary, lock);
  } catch (error) {
    // FAT and some shared folders have no links. There a lock may be seen before its owner is written into it.
    if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes(codeOf(error))) throw error;
    await writeFile(lock, mine, { flag: 'wx', mode: 0o600 });
  }
};

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

const contentOf = async (lock: string): Promise<string | undefined> =>
  await readFile(lock, 'utf8').catch(() => undefined);

const isAbandoned = async (lock: string, content: string): Promise<boolean> => {
  const [pid, where] = content.split('\n');
  if (where === place && !isAlive(Number(pid))) return true;
  const { mtimeMs } = await stat(lock).catch(() => ({ mtimeMs: Date.now() }));
  // One from the future is as old as that: a clock was set, and nobody waits for it to be right again.
  return Math.abs(Date.now() - mtimeMs) > abandonedAfter;
};

/** Removes a lock that was judged by its `content`; another one that is there meanwhile is put back. */
const takeAway = async (lock: string, content: string): Promise<void> => {
  const aside = temporaryOf(lock);
  try {
    await rename(lock, aside);
    if ((await contentOf(aside)) !== content) await link(aside, lock);
  } catch (error) {
    // Somebody else was faster.
    if (!['ENOENT', 'EEXIST'].includes(codeOf(error))) throw error;
  } finally {
    await rm(aside, { force: true });
  }
};
