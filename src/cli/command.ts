/** The world as a command sees it, so that a test can put its own in place. */
export interface Io {
  /** What `-` stands for, and where a question is answered. */
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Data: what a script would read. */
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean };
  /** Talk: progress, warnings, errors. */
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** One option of a command. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly multiple?: true;
  readonly short?: string;
  /** How the value is called in the help; absent for a boolean. */
  readonly value?: string;
  /** The only values it takes: another one is refused with the nearest of them, and a shell completes them. */
  readonly choices?: readonly string[];
  readonly help: string;
}

/** What the command line held for a command, after its table entry. */
export interface Parsed {
  readonly options: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
  readonly operands: readonly string[];
}

/** One entry of the command table: help, parsing and completion are made from it. */
export interface Command {
  /** One or two words: `serve`, `keys generate`. */
  readonly name: string;
  /** One line for the overview. */
  readonly summary: string;
  /** Operands as the usage line shows them: `KID`, `[--offline]` is not one. */
  readonly operands?: string;
  /** The only words the operands can be. */
  readonly operandChoices?: readonly string[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** A command that can be run as it stands. */
  readonly example: string;
  /** Paragraphs below the summary. */
  readonly description?: string;
  /** The exit code: 0 ok, 1 failed, 2 wrong usage or configuration. */
  run(parsed: Parsed, io: Io): Promise<number>;
}

/** The value of a string option, when it was given. */
export const text = (parsed: Parsed, name: string): string | undefined => {
  const value = parsed.options[name];
  return typeof value === 'string' ? value : undefined;
};

/** All values of a repeatable option, in order. */
export const texts = (parsed: Parsed, name: string): readonly string[] => {
  const value = parsed.options[name];
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
};

/** Whether a boolean option was given. */
export const isSet = (parsed: Parsed, name: string): boolean => parsed.options[name] === true;
