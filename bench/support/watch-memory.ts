import { readFileSync, writeFileSync } from 'node:fs';

const memory = (pid: number, field: 'VmRSS' | 'VmHWM'): number => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return (Number(new RegExp(String.raw`${field}:\s+(\d+)`, 'u').exec(status)?.[1]) * 1024) / 1e6;
};

/** The highest resident memory of a process. */
export interface MemoryWatch {
  /** Counts from now on. */
  readonly mark: () => void;
  /** MB since the mark. */
  readonly growth: () => number;
}

/** Watches the highest resident memory of a process in MB; Linux tells it. */
export const watchMemory = (pid: () => number): MemoryWatch => {
  let before = 0;
  return {
    mark: () => {
      // Sets the high-water mark to what is resident now.
      writeFileSync(`/proc/${pid()}/clear_refs`, '5');
      before = memory(pid(), 'VmRSS');
    },
    growth: () => memory(pid(), 'VmHWM') - before,
  };
};
