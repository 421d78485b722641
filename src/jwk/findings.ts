import { lintRules, type Client, type LintCode, type Rule } from './lint-rules.ts';

/** What lint judges a set for: the clients of a profile, or all known ones. */
export type LintProfile = 'generic' | 'jitsi' | 'opencast' | 'full';

/** The clients each profile is made for. */
export const clientsOf: Readonly<Record<LintProfile, readonly Client[]>> = {
  generic: ['generic', 'octoka'],
  jitsi: ['jitsi'],
  opencast: ['opencast', 'octoka', 'generic'],
  full: [],
};

/** One thing found. */
export interface Finding {
  readonly code: LintCode;
  readonly level: 'error' | 'warning';
  /** The client that stumbles; absent when any of them may. */
  readonly client?: Client;
  /** A sentence for people; holds no key material. */
  readonly detail: string;
  /** Of the key it is about, where it has one: cut to 64 characters. */
  readonly kid?: string;
  /** Of the key it is about: its position in `keys`, from 0. */
  readonly index?: number;
  /** Of what is wrong with the text itself: characters from its begin, a byte order mark not counted. */
  readonly offset?: number;
}

/** What a finding is about. */
export type Where = Pick<Finding, 'kid' | 'index' | 'offset'>;

/** As many findings of one code are told; the next one counts the rest. */
const longestList = 50;

/** Collects findings for some clients and keeps the list readable. */
export class Findings {
  readonly #clients: readonly Client[] | undefined;
  readonly #found = new Map<LintCode, Finding[]>();
  readonly #more = new Map<LintCode, number>();

  /** For all known clients, or for those given. */
  constructor(clients?: readonly Client[]) {
    this.#clients = clients;
  }

  add(code: LintCode, detail: string, where: Where = {}): void {
    const { level, client }: Rule = lintRules[code];
    if (client !== undefined && this.#clients?.includes(client) === false) return;
    const found = this.#found.get(code) ?? [];
    this.#found.set(code, found);
    if (found.length < longestList)
      found.push({ code, level, ...(client === undefined ? {} : { client }), detail, ...where });
    else this.#more.set(code, (this.#more.get(code) ?? 0) + 1);
  }

  /** Errors first, otherwise in the order they were met. */
  finish(): readonly Finding[] {
    const all: Finding[] = [];
    for (const [code, found] of this.#found) {
      all.push(...found);
      const more = this.#more.get(code);
      const [first] = found;
      if (more === undefined || first === undefined) continue;
      const { level, client } = first;
      all.push({ code, level, ...(client === undefined ? {} : { client }), detail: `and ${more} more` });
    }
    return errorsFirst(all);
  }
}

/** The same findings, warnings behind errors. */
export const errorsFirst = (findings: readonly Finding[]): readonly Finding[] => [
  ...findings.filter(({ level }) => level === 'error'),
  ...findings.filter(({ level }) => level === 'warning'),
];
