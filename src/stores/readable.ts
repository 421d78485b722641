import { JwksdError } from '../errors.ts';
import { decodeRecord, type StoredRecord } from './record.ts';
import type { RegisteredKey, StoreLog } from './store.ts';

const mostTold = 1000;

/** Reads records of which some may be damaged: one of them costs its own key, and nobody else's. */
export class ReadableRecords {
  readonly #log: StoreLog;
  readonly #told = new Set<string>();

  constructor(log: StoreLog) {
    this.#log = log;
  }

  /** The records that can be read, in their order. The log says of each other one, once, where it stands. */
  of(stored: readonly StoredRecord[]): readonly RegisteredKey[] {
    return stored.flatMap((each) => {
      try {
        return [decodeRecord(each)];
      } catch (error) {
        if (!(error instanceof JwksdError)) throw error;
        this.#tell(each.position, error);
        return [];
      }
    });
  }

  #tell(position: Buffer, error: JwksdError): void {
    const name = position.toString('base64url');
    if (this.#told.has(name) || this.#told.size >= mostTold) return;
    this.#told.add(name);
    const client = position.subarray(0, 32).toString('base64url');
    const jkt = position.subarray(32).toString('base64url');
    this.#log.warn({ err: error, client, jkt }, 'a registered key is damaged and is not published');
  }
}
