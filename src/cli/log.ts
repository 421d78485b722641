import { pino, type Logger } from 'pino';
import type { Config } from '../config/config.ts';

/**
 * The log: JSON lines on stdout, or readable ones when `pretty` says so; `auto` means on a terminal.
 *
 * Secrets never reach it by our own lines; the paths below are a second net.
 */
export const createLog = ({ level, pretty }: Config['log']): Logger => {
  const readable = pretty === 'auto' ? process.stdout.isTTY : pretty;
  return pino({
    level,
    base: null,
    redact: ['req.headers.authorization', 'req.headers.cookie', '*.token', '*.d'],
    ...(readable ? { transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname' } } } : {}),
  });
};
