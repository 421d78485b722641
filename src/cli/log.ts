import { pino, type DestinationStream, type Logger } from 'pino';
import type { Config } from '../config/config.ts';

/**
 * The log: JSON lines on stdout, or readable ones when `pretty` says so; `auto` means on a terminal.
 */
export const createLog = async ({ level, pretty }: Config['log']): Promise<Logger> => {
  const options = { level, base: null };
  const readable = pretty === 'auto' ? process.stdout.isTTY : pretty;
  return readable ? pino(options, await readableLines()) : pino(options);
};

/** In this thread and not as a pino transport: a worker thread for a few lines costs more memory than the server. */
const readableLines = async (): Promise<DestinationStream> => {
  const { default: prettyStream } = await import('pino-pretty');
  return prettyStream({ ignore: 'pid,hostname', sync: true });
};
