import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type {
  Limits,
  Page,
  RegisteredKey,
  RegisterOutcome,
  RegistrationStore,
  RevocationReason,
} from '../../stores/store.ts';
import type { ProofContext } from '../proof/context.ts';
import { verifyProof } from '../proof/proof.ts';
import { refusal, type RegistrationOutcome, type RegistrationRefusal } from './outcome.ts';

/** A client that showed an access token. */
export interface Caller {
  readonly clientId: string;
  readonly accessToken: string;
}

/** What a registrar works with. */
export interface RegistrarParts {
  readonly clock: Pick<Clock, 'wall'>;
  readonly store: RegistrationStore;
  /** What every proof is held against. */
  readonly proof: Pick<ProofContext, 'mode' | 'registrationUrls' | 'serviceId' | 'nonceRequired'>;
  readonly limits: Limits;
  /** Milliseconds a key is published after its last proof. */
  readonly keyTtl: number;
  /** Thumbprints of the keys an operator denied: nobody registers one. */
  readonly denied: () => ReadonlySet<string>;
}

/** What the store did not accept, in words. */
const refusals: Readonly<
  Record<Exclude<RegisterOutcome['outcome'], 'created' | 'exists'>, RegistrationRefusal>
> = {
  replayed: refusal(
    'invalid_proof',
    'this proof was used before; make a new one with another jti',
    'replayed',
  ),
  nonce_invalid: refusal(
    'invalid_nonce',
    'the nonce is not one of this server, or was used; get a new one',
    'nonce_unknown',
  ),
  revoked: refusal('key_revoked', 'this key was revoked or deleted and cannot come back; make a new one'),
  in_use: refusal('key_in_use', 'this key belongs to another client; make one of your own'),
  too_many: refusal('too_many_keys', 'this client has as many keys as it may; delete one first'),
};

/** Milliseconds a nonce can be used. */
const nonceTtl = 300_000;

/** Registers keys for clients that prove they hold them, and lets each client take its own back. */
export class Registrar {
  readonly #parts: RegistrarParts;

  constructor(parts: RegistrarParts) {
    this.#parts = parts;
  }

  /**
   * Judges a proof and stores its key, with what the proof used up, in one step.
   *
   * @throws {JwksdError} `store_unavailable`.
   */
  async register({ clientId, accessToken }: Caller, proof: unknown): Promise<RegistrationOutcome> {
    const { clock, store, limits, keyTtl, proof: context } = this.#parts;
    const now = clock.wall();
    const proved = await verifyProof(proof, { ...context, clientId, accessToken, now });
    if (!proved.ok) return proved;
    const { key, alg, label, replay, nonce } = proved;
    const jkt = key.thumbprint;
    if (this.#parts.denied().has(jkt)) return { ...refusals.revoked, jkt };
    const stored = await store.register({
      clientId,
      key,
      alg,
      label,
      expiresAt: now + keyTtl,
      replay,
      nonce,
      limits,
    });
    if (stored.outcome === 'created' || stored.outcome === 'exists') {
      return { ok: true, status: stored.outcome, record: stored.record };
    }
    return { ...refusals[stored.outcome], jkt };
  }

  /** A nonce for one proof. @throws {JwksdError} `store_unavailable`. */
  async nonce(): Promise<{ readonly nonce: string; readonly expiresIn: number }> {
    const nonce = randomBytes(24).toString('base64url');
    await this.#parts.store.addNonce(nonce, this.#parts.clock.wall() + nonceTtl);
    return { nonce, expiresIn: nonceTtl / 1000 };
  }

  /** A page of a client's own keys. @throws {JwksdError} `bad_request` for a cursor of another list. */
  async list(clientId: string, after: string | undefined, limit: number): Promise<Page> {
    return await this.#parts.store.list({ clientId, after, limit });
  }

  /** Takes a client's own key back; undefined when it has no such key. */
  async revoke(clientId: string, jkt: string, reason: RevocationReason): Promise<RegisteredKey | undefined> {
    return (await this.#parts.store.revoke(clientId, jkt, reason))?.record;
  }
}
