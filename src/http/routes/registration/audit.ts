import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import { JwksdError } from '../../../errors.ts';
import { excerpt } from '../../../jwk/excerpt.ts';
import { clientKey } from '../../../stores/client-key.ts';
import type { RegistrationOutcome } from '../../../tokens/registration/outcome.ts';

/** A client in a log line: its id cut to what fits one, and, where that is not the whole id, the digest that is its name. */
export const clientInLog = (clientId: string): { readonly client: string; readonly clientKey?: string } => {
  const client = excerpt(clientId) ?? '';
  return client === clientId ? { client } : { client, clientKey: clientKey(clientId) };
};

/** What clients do with their keys. */
export type Act = 'register' | 'delete' | 'revoke';

/** What became of the writes of clients so far, by fixed codes. */
export class RegistrationOutcomes {
  readonly #counts = new Map<string, { readonly act: Act; readonly outcome: string; count: number }>();

  add(act: Act, outcome: string): void {
    const name = `${act} ${outcome}`;
    const entry = this.#counts.get(name) ?? { act, outcome, count: 0 };
    entry.count += 1;
    this.#counts.set(name, entry);
  }

  entries(): Iterable<{ readonly act: Act; readonly outcome: string; readonly count: number }> {
    return this.#counts.values();
  }
}

/**
 * Runs a write of a client, and leaves a line in the log and a count, whatever becomes of it: who, which key, what came of
 * it. Never a token or a proof, and of the client's name no more than fits a line.
 */
export type Audit = (
  request: FastifyRequest,
  caller: { readonly clientId: string },
  act: Act,
  write: () => Promise<RegistrationOutcome>,
) => Promise<RegistrationOutcome>;

/** An audit that writes to `log` and counts in `outcomes`. */
export const createAudit =
  (log: FastifyBaseLogger, outcomes: RegistrationOutcomes): Audit =>
  async (request, { clientId }, act, write) => {
    const tell = (outcome: string, more: object): void => {
      outcomes.add(act, outcome);
      log.info(
        { audit: act, ...clientInLog(clientId), address: request.ip, outcome, ...more },
        'registration of keys',
      );
    };
    try {
      const outcome = await write();
      if (!outcome.ok) tell(outcome.error, { code: outcome.code, jkt: outcome.jkt });
      else {
        const { jkt, revoked } = outcome.record;
        tell(outcome.status, { jkt, ...(revoked === undefined ? {} : { reason: revoked.reason }) });
      }
      return outcome;
    } catch (error) {
      const isStore = error instanceof JwksdError && error.code === 'store_unavailable';
      tell(isStore ? 'temporarily_unavailable' : 'internal', isStore ? { detail: error.message } : {});
      throw error;
    }
  };
