import { StringDecoder } from 'node:string_decoder';
import { JwksdError } from '../errors.ts';
import type { Io } from './command.ts';
import { readDocument } from './document.ts';

type Terminal = Io['stdin'] & { setRawMode?(mode: boolean): unknown };

/** Whether somebody sits there who can be asked: both ends of the conversation are a terminal. */
export const canAsk = (io: Io): boolean => io.stdin.isTTY === true && io.stderr.isTTY === true;

/**
 * Reads a passphrase from the first line of a file, or of stdin for `-`.
 *
 * @throws {JwksdError} `failed` when it cannot be read, `usage` when it is empty.
 */
export const passphraseOf = async (file: string, io: Io): Promise<string> => {
  const { bytes, name } = await readDocument(file, io, { limit: 64 * 1024 });
  const passphrase =
    bytes
      .toString('utf8')
      .replace(/^\uFEFF/u, '')
      .split(/\r?\n/u, 1)[0] ?? '';
  if (passphrase === '') throw new JwksdError('usage', `${name} has no passphrase in its first line`);
  return passphrase;
};

/**
 * Asks for a passphrase on the terminal, once for each question, and shows nothing of it.
 *
 * The questions go to stderr as plain text, so that they work on a terminal of any kind. Only when `canAsk`.
 *
 * @throws {JwksdError} `cancelled` after Ctrl-C or Ctrl-D.
 */
export const askHidden = async (io: Io, questions: readonly string[]): Promise<readonly string[]> => {
  const terminal: Terminal = io.stdin;
  terminal.setRawMode?.(true);
  const line = new HiddenLines();
  const answers: string[] = [];
  try {
    return await new Promise((resolve, reject) => {
      const next = (): void => {
        const question = questions[answers.length];
        if (question === undefined) return finish(() => resolve(answers));
        io.stderr.write(`${question}: `);
        take();
      };
      const take = (): void => {
        const answer = line.take();
        if (answer === undefined) return;
        io.stderr.write('\n');
        if (answer === cancelled) return cancel();
        answers.push(answer);
        next();
      };
      const hear = (chunk: Buffer | string): void => {
        line.push(chunk);
        take();
      };
      const cancel = (): void =>
        finish(() => reject(new JwksdError('cancelled', 'cancelled; nothing was written')));
      const finish = (then: () => void): void => {
        terminal.off('data', hear);
        terminal.off('end', cancel);
        terminal.pause();
        then();
      };
      terminal.on('data', hear);
      terminal.on('end', cancel);
      terminal.resume();
      next();
    });
  } finally {
    terminal.setRawMode?.(false);
  }
};

const cancelled = Symbol('cancelled');

/** Makes lines of the keys pressed on a terminal in raw mode. */
class HiddenLines {
  readonly #decoder = new StringDecoder('utf8');
  #typed: string[] = [];
  #waiting = '';

  push(chunk: Buffer | string): void {
    this.#waiting += typeof chunk === 'string' ? chunk : this.#decoder.write(chunk);
  }

  /** The next line, if it is complete; what was typed ahead stays for the one after. */
  take(): string | typeof cancelled | undefined {
    // Arrow keys, and what terminals put around pasted text, are not part of a passphrase.
    // oxlint-disable-next-line no-control-regex -- escape sequences begin with a control character
    this.#waiting = this.#waiting.replaceAll(/\u001B[O[][\d;?]*[ -/]*[@-~]/gu, '');
    const keys = Array.from(this.#waiting);
    for (const [index, key] of keys.entries()) {
      const isEnd = key === '\r' || key === '\n';
      const isCancel = key === '\u0003' || (key === '\u0004' && this.#typed.length === 0);
      if (isEnd || isCancel) {
        this.#waiting = keys.slice(index + 1).join('');
        const answer = this.#typed.join('');
        this.#typed = [];
        return isCancel ? cancelled : answer;
      }
      if (key === '\u007F' || key === '\b') this.#typed.pop();
      else if (key === '\u0015') this.#typed = [];
      else if (key >= ' ') this.#typed.push(key);
    }
    this.#waiting = '';
    return undefined;
  }
}
