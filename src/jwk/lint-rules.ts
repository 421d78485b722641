/** The clients whose limits are known (docs/opencast.md, docs/jitsi.md). */
export type Client = 'opencast' | 'octoka' | 'jitsi' | 'generic';

interface Rule {
  readonly level: 'error' | 'warning';
  /** The client that stumbles; absent when any of them may. */
  readonly client?: Client;
}

/**
 * What lint can find, by its stable code.
 *
 * An error breaks a JWK Set for everybody or leaks a secret; a warning names a client that stumbles, or a habit that
 * ends badly.
 */
export const lintRules = {
  'not-utf8': { level: 'error' },
  'byte-order-mark': { level: 'error' },
  html: { level: 'error' },
  'not-json': { level: 'error' },
  comment: { level: 'error' },
  'keys-missing': { level: 'error' },
  'private-members': { level: 'error' },
  'symmetric-key': { level: 'error' },
  'malformed-key': { level: 'error' },
  'null-member': { level: 'error' },
  'alg-mismatch': { level: 'error' },
  'certificate-mismatch': { level: 'error' },
  'duplicate-kid': { level: 'error' },
  'weak-key': { level: 'error' },
  'rsa-too-small': { level: 'warning' },
  'rsa-too-large': { level: 'warning' },
  'unsupported-kty': { level: 'warning' },
  'unsupported-crv': { level: 'warning' },
  'bad-kid': { level: 'warning' },
  'kid-not-thumbprint': { level: 'warning' },
  'empty-set': { level: 'warning' },
  'akp-key': { level: 'warning', client: 'generic' },
  'alg-ed25519': { level: 'warning', client: 'octoka' },
  'mixed-kty': { level: 'warning', client: 'opencast' },
  'too-large': { level: 'warning', client: 'opencast' },
  'alg-missing': { level: 'warning', client: 'opencast' },
  'top-bit': { level: 'warning', client: 'opencast' },
  'not-rsa': { level: 'warning', client: 'jitsi' },
  'kid-missing': { level: 'warning', client: 'jitsi' },
  'foreign-member': { level: 'warning', client: 'jitsi' },
} as const satisfies Record<string, Rule>;

/** A code of {@link lintRules}. */
export type LintCode = keyof typeof lintRules;

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
}

/** As many findings of one code are told; the next one counts the rest. */
const longestList = 50;

/** Collects findings for some clients and keeps the list readable. */
export class Findings {
  readonly #clients: readonly Client[] | undefined;
  readonly #found = new Map<LintCode, Finding[]>();
  readonly #more = new Map<LintCode, number>();

  constructor(profile: LintProfile | undefined) {
    this.#clients = profile && clientsOf[profile];
  }

  add(code: LintCode, detail: string, kid?: string): void {
    const rule: Rule = lintRules[code];
    if (rule.client !== undefined && this.#clients?.includes(rule.client) === false) return;
    const found = this.#found.get(code) ?? [];
    this.#found.set(code, found);
    if (found.length < longestList)
      found.push({ code, ...rule, detail, ...(kid === undefined ? {} : { kid }) });
    else this.#more.set(code, (this.#more.get(code) ?? 0) + 1);
  }

  /** Errors first, otherwise in the order they were met. */
  finish(): readonly Finding[] {
    const all: Finding[] = [];
    for (const [code, found] of this.#found) {
      all.push(...found);
      const more = this.#more.get(code);
      if (more !== undefined) all.push({ code, ...lintRules[code], detail: `and ${more} more` });
    }
    return [
      ...all.filter(({ level }) => level === 'error'),
      ...all.filter(({ level }) => level === 'warning'),
    ];
  }
}
