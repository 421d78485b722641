import { execFileSync, spawnSync } from 'node:child_process';
import { eventually, childEnv, mainFile, temporaryDirectory } from '../fakes/jwksd.ts';

const program = (args: readonly string[]) => spawnSync('tmux', args, { encoding: 'utf8', env: childEnv() });

/** Empty when there is a tmux, otherwise the reason to skip, for the name of a test. */
export const noTmux =
  program(['-V']).status === 0
    ? ''
    : ' (skipped: tmux is not on this machine; Debian has it in the package tmux)';

/** A program on a real terminal, with somebody at the keys. */
export interface Terminal extends AsyncDisposable {
  /** Where it runs; nothing else is in there. */
  readonly directory: string;
  /** Types text as it is. */
  type(text: string): void;
  /** Presses keys by the names tmux has for them: `Enter`, `Down`, `C-c`. */
  press(...keys: readonly string[]): void;
  /** What is on the screen and above it; with colours where `escapes` is set. */
  screen(escapes?: boolean): string;
  /** Waits until the screen shows a text. */
  shows(text: string): Promise<void>;
  /** Waits for the end of the program; its exit code. */
  ended(): Promise<number>;
}

let count = 0;

/** Runs a line of shell on a terminal, where `jwksd` is the built program. */
export const startTerminal = async (
  line: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Terminal> => {
  const directory = await temporaryDirectory();
  count += 1;
  const socket = `jwksd-test-${process.pid}-${count}`;
  const tmux = (...args: readonly string[]): string =>
    execFileSync('tmux', ['-L', socket, '-f', '/dev/null', ...args], { encoding: 'utf8', env: childEnv() });
  const settings = Object.entries(env).map(([name, value]) => `export ${name}='${value}'`);
  const script = [
    `jwksd() { '${process.execPath}' '${mainFile}' "$@"; }`,
    ...settings,
    line,
    'echo "ended with $?"',
    'exec sleep 600',
  ];
  tmux('new-session', '-d', '-x', '100', '-y', '40', '-c', directory.path, 'sh', '-c', script.join('\n'));
  const screen = (escapes = false): string =>
    tmux('capture-pane', '-p', '-S', '-', ...(escapes ? ['-e'] : []));
  return {
    directory: directory.path,
    type: (text) => void tmux('send-keys', '-l', text),
    press: (...keys) => void tmux('send-keys', ...keys),
    screen,
    shows: async (text) => {
      try {
        await eventually(() => screen().includes(text) || undefined);
      } catch (error) {
        throw new Error(`${JSON.stringify(text)} does not appear on\n${screen()}`, { cause: error });
      }
    },
    ended: async () =>
      await eventually(() => {
        const code = /^ended with (\d+)$/mu.exec(screen())?.[1];
        return code === undefined ? undefined : Number(code);
      }),
    [Symbol.asyncDispose]: async () => {
      tmux('kill-server');
      await directory[Symbol.asyncDispose]();
    },
  };
};
