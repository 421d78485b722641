import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * The content of a file; undefined when it is larger than `limit` bytes or grows while it is read.
 *
 * Opened without waiting: a pipe that nobody writes to would otherwise hold a thread of the process for ever.
 */
export const readBounded = async (file: string, limit: number): Promise<Buffer | undefined> => {
  // Absent on Windows, which has no such pipes.
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const { size } = await handle.stat();
    if (size > limit) return undefined;
    const buffer = Buffer.alloc(size + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) return buffer.subarray(0, length);
      length += bytesRead;
      if (length === buffer.length) return undefined;
    }
  } finally {
    await handle.close();
  }
};
