/** Steps from the root of the configuration to a value; numbers are positions in a list. */
export type Path = readonly (string | number)[];

/** Where a value came from. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly file: string; readonly line: number }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'flag'; readonly name: string };

/** Something the configuration is refused for. */
export interface Problem {
  /** As people write it: `sets.jitsi.maxAge`; empty for the file as a whole, or the flag where no key exists. */
  readonly path: string;
  /** What is wrong and what to do; never holds a secret. */
  readonly message: string;
  /** Line in the file, from 1; absent when the value is not from the file. */
  readonly line?: number;
  /** The file and line, the environment variable or the flag that gave the value. */
  readonly origin?: string;
}

/** The origin as one short text: `/etc/jwksd/jwksd.yaml:12`, `env JWKSD_LOG__LEVEL`, `flag --port`, `default`. */
export const formatOrigin = (origin: Origin): string => {
  if (origin.kind === 'default') return 'default';
  return origin.kind === 'file' ? `${origin.file}:${origin.line}` : `${origin.kind} ${origin.name}`;
};

/** The path as people write it: `sets.jitsi.paths[1]`, `sources["a.b"].url`. */
export const formatPath = (path: Path): string =>
  path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!/^[\w-]+$/.test(step)) return `[${JSON.stringify(step)}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join('');

/** One line for a terminal: where, which key, what. */
export const formatProblem = (problem: Problem): string =>
  [
    problem.origin === undefined ? '' : `${problem.origin}: `,
    problem.path === '' ? '' : `${problem.path}: `,
    problem.message,
  ].join('');

/** A problem at a path, with the place its value came from. */
export const problemAt = (path: Path, message: string, origin: Origin | undefined): Problem => ({
  path: formatPath(path),
  message,
  ...(origin?.kind === 'file' ? { line: origin.line } : {}),
  ...(origin === undefined || origin.kind === 'default' ? {} : { origin: formatOrigin(origin) }),
});
