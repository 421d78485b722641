import type { Log } from '../../src/sources/source.ts';

/** One line of a log. */
export interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly text: string;
  readonly members: Readonly<Record<string, unknown>>;
}

/** A log that a test can read. */
export const createLog = (): { readonly log: Log; readonly lines: Line[] } => {
  const lines: Line[] = [];
  const at =
    (level: Line['level']) =>
    (members: unknown, text?: string): void => {
      const own = typeof members === 'object' && members !== null ? (members as Line['members']) : {};
      lines.push({ level, text: text ?? (typeof members === 'string' ? members : ''), members: own });
    };
  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines };
};
