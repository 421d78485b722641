import { admitJwk } from './admit.ts';
import type { AdmitOptions, Key, KeyWarning, ParsedSet, Rejection, RejectReason } from './key.ts';

/** As many rejections and warnings are kept to be read by people; the rest is counted. */
const longestList = 100;

/** Collects what admission yields into a {@link ParsedSet}. */
export class SetCollector {
  readonly #keys: Key[] = [];
  readonly #rejected: Rejection[] = [];
  readonly #counts: Partial<Record<RejectReason, number>> = {};
  readonly #warnings: KeyWarning[] = [];
  readonly #seen = new Set<string>();
  readonly #options: AdmitOptions;

  constructor(options: AdmitOptions) {
    this.#options = options;
  }

  /** Admits one entry; `index` is its position where it has one. */
  add(entry: unknown, index?: number): void {
    const admission = admitJwk(entry, this.#options);
    if (!admission.ok) {
      this.reject(index === undefined ? admission.rejection : { ...admission.rejection, index });
      return;
    }
    const { key } = admission;
    const { onlyAlg } = this.#options;
    // RFC 9864 §2.2: EdDSA is another name of the curve's own.
    if (onlyAlg !== undefined && key.jwk.alg !== onlyAlg && key.jwk.crv !== onlyAlg) {
      const detail = `the key is for ${key.jwk.alg ?? 'no algorithm'} and is listed for ${onlyAlg}; correct the list`;
      this.reject({ reason: 'wrong_alg', detail, ...(index === undefined ? {} : { index }) });
      return;
    }
    for (const warning of admission.warnings) this.warn(warning);
    if (this.#seen.has(key.name)) return;
    this.#seen.add(key.name);
    this.#keys.push(key);
  }

  reject(rejection: Rejection): void {
    this.#count(rejection, 1);
  }

  /** Counts the entries from `index` on that nobody looked at, and tells of them once. */
  overLimit(beyond: number, maxKeys: number, index: number): void {
    if (beyond <= 0) return;
    const detail = `${beyond} beyond the first ${maxKeys} were not read`;
    this.#count({ reason: 'over_limit', detail, index }, beyond);
  }

  #count(rejection: Rejection, count: number): void {
    this.#counts[rejection.reason] = (this.#counts[rejection.reason] ?? 0) + count;
    if (this.#rejected.length < longestList) this.#rejected.push(rejection);
  }

  warn(warning: KeyWarning): void {
    if (this.#warnings.length < longestList) this.#warnings.push(warning);
  }

  finish(): ParsedSet {
    return {
      keys: this.#keys,
      rejected: this.#rejected,
      rejectedCounts: this.#counts,
      warnings: this.#warnings,
    };
  }
}
