import type { Cancel, Clock } from '../../clock.ts';
import { readSecretFile } from '../../sources/secret-file.ts';
import type { Log } from '../../sources/source.ts';
import { isUndecided, type Refused, type RefusalReason } from './outcome.ts';
import type { Identity } from './validator.ts';

/** The system's own token, and who it must be of. */
export interface SystemTokenOptions {
  /** Read again for every look. */
  readonly file: string;
  /** The `sub` it must have. */
  readonly subject: string;
  /** Judges a token as callers' tokens are judged, groups and policy apart. */
  readonly identify: (token: string) => Promise<Identity | Refused>;
}

/** What the last look at the system token found. */
export type SystemTokenState =
  | {
      readonly valid: true;
      /** Milliseconds since the epoch; undefined for a token without `exp`. */
      readonly expires: number | undefined;
    }
  | {
      readonly valid: false;
      readonly reason: RefusalReason | 'unreadable' | 'other_subject';
      /** A sentence for operators. */
      readonly hint: string;
      /** Whether the token may be good, and what would tell is not there. */
      readonly undecided: boolean;
    };

/** Milliseconds between two looks. */
const pollMs = 10_000;

/**
 * The token an Okera-style service keeps for itself: a standing proof that its own tokens are valid here.
 *
 * It opens nothing. Whether it is valid is told at `/status`, in the metrics and by `jwksd check`, and the log tells of
 * each change, so that keys that do not fit the tokens of the system are noticed before its callers are refused.
 */
export class SystemToken {
  readonly #options: SystemTokenOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  #state: SystemTokenState | undefined;
  #cancel: Cancel | undefined;
  #closed = false;

  constructor(options: SystemTokenOptions, parts: { readonly clock: Clock; readonly log: Log }) {
    this.#options = options;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Undefined before the first look. */
  get state(): SystemTokenState | undefined {
    return this.#state;
  }

  /** Looks at the file now. Never rejects. */
  async look(): Promise<SystemTokenState> {
    const state = await this.#judge();
    this.#tell(this.#state, state);
    this.#state = state;
    return state;
  }

  /** Looks again every 10 s, until `close`: the file, the keys and the time change. */
  watch(): void {
    if (this.#closed) return;
    this.#cancel = this.#clock.after(pollMs, () => void this.look().finally(() => this.watch()));
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #judge(): Promise<SystemTokenState> {
    const { file, subject, identify } = this.#options;
    let token: string | undefined;
    try {
      token = await readSecretFile(file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return bad('unreadable', `${file} cannot be read (${code ?? 'error'}); write the token into it`);
    }
    if (token === undefined) return bad('unreadable', `${file} holds no token; write the token into it`);
    const identity = await identify(token);
    if ('valid' in identity) {
      const { reason, hint } = identity;
      return { valid: false, reason, hint: `${file}: ${hint}`, undecided: isUndecided(reason) };
    }
    if (identity.sub !== subject) {
      const hint = `${file} is not a token of ${JSON.stringify(subject)}; make one with that sub, or change validation.okera.systemSubject`;
      return bad('other_subject', hint);
    }
    const { exp } = identity.claims;
    return { valid: true, expires: typeof exp === 'number' ? exp * 1000 : undefined };
  }

  #tell(before: SystemTokenState | undefined, after: SystemTokenState): void {
    if (after.valid) {
      if (before?.valid !== true) this.#log.info('the system token is valid');
      return;
    }
    if (before?.valid === false && before.reason === after.reason) return;
    const { reason, hint } = after;
    this.#log.warn({ reason }, `the system token is not valid: ${hint}`);
  }
}

const bad = (reason: 'unreadable' | 'other_subject', hint: string): SystemTokenState => ({
  valid: false,
  reason,
  hint,
  undecided: false,
});
