/**
 * Lets at most `limit` tasks run at a time; the others wait in line.
 *
 * One limiter is shared by all upstreams of the process, so that hundreds of them do not open hundreds of sockets.
 */
export const createLimiter = (limit: number): (<T>(task: () => Promise<T>) => Promise<T>) => {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (running >= limit) await new Promise<void>((resolve) => void waiting.push(resolve));
    else running += 1;
    try {
      return await task();
    } finally {
      // The place is handed over, so a newcomer cannot overtake the line.
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
};
