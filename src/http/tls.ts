import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Server as TlsServer } from 'node:tls';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Cancel, Clock } from '../clock.ts';

/** A certificate chain and its private key, both PEM. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Where a {@link TlsPair} lies. */
export interface TlsPaths {
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Gives new connections another certificate; those that are open keep theirs.
 *
 * @throws what OpenSSL says of a pair that cannot be used; the old one then stays.
 */
export const reloadTls = (app: FastifyInstance, pair: TlsPair): void => {
  // Fastify types every server as a plain one.
  (app.server as unknown as TlsServer).setSecureContext(pair);
};

const readPair = async ({ certFile, keyFile }: TlsPaths): Promise<TlsPair> => {
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
  return { cert, key };
};

const pollMs = 5000;

/**
 * A certificate and its key on disk, followed by content every 5 s.
 *
 * A pair that cannot be used (a file is missing, or only one of the two is replaced so far) leaves the old one in place
 * and is told once in the log.
 */
export class TlsFiles {
  readonly #paths: TlsPaths;
  readonly #clock: Clock;
  readonly #log: FastifyBaseLogger;
  /** What was last looked at, good or bad: the pair, or why it could not be read. */
  #seen: string;
  #current: TlsPair;
  #cancel: Cancel | undefined;
  #closed = false;

  private constructor(paths: TlsPaths, clock: Clock, log: FastifyBaseLogger, pair: TlsPair) {
    this.#paths = paths;
    this.#clock = clock;
    this.#log = log;
    this.#current = pair;
    this.#seen = pair.cert + pair.key;
  }

  /**
   * Loads the pair and makes sure that its two halves belong together.
   *
   * @throws what the file system or OpenSSL say when it cannot be used.
   */
  static async open(paths: TlsPaths, clock: Clock, log: FastifyBaseLogger): Promise<TlsFiles> {
    const pair = await readPair(paths);
    createSecureContext(pair);
    return new TlsFiles(paths, clock, log, pair);
  }

  /** The pair in use. */
  get current(): TlsPair {
    return this.#current;
  }

  /** Swaps the certificate of `app` whenever the files change, until `close`. */
  watch(app: FastifyInstance): void {
    if (this.#closed) return;
    this.#cancel = this.#clock.after(pollMs, () => void this.#poll(app));
  }

  /** Ends the polling. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #poll(app: FastifyInstance): Promise<void> {
    let seen: string;
    let use: () => void;
    try {
      const pair = await readPair(this.#paths);
      seen = pair.cert + pair.key;
      use = () => {
        reloadTls(app, pair);
        this.#current = pair;
      };
    } catch (error) {
      seen = String(error);
      use = () => {
        throw error;
      };
    }
    if (!this.#closed && seen !== this.#seen) this.#replace(seen, use);
    this.watch(app);
  }

  #replace(seen: string, use: () => void): void {
    this.#seen = seen;
    try {
      use();
      this.#log.info(this.#paths, 'the TLS certificate was replaced');
    } catch (error) {
      this.#log.warn({ ...this.#paths, err: error }, 'the new TLS files cannot be used, the old pair stays');
    }
  }
}
