import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import tls from 'node:tls';
import { readBounded } from '../read-bounded.ts';

const largestCaFile = 4 * 1024 * 1024;

/** The certificates this process trusts by default, as PEM. */
const defaultAuthorities = async (): Promise<readonly string[]> => {
  // Node 20 has no call that includes NODE_EXTRA_CA_CERTS, newer ones do.
  const ask: unknown = Reflect.get(tls, 'getCACertificates');
  if (typeof ask === 'function') return (ask as (type: 'default') => string[])('default');
  const extra = process.env['NODE_EXTRA_CA_CERTS'];
  const more = extra === undefined ? [] : [await readFile(extra, 'utf8').catch(() => '')];
  return [...tls.rootCertificates, ...more.filter((pem) => pem !== '')];
};

/**
 * Whom TLS connections trust: the runtime's own certificate authorities, and beside them those of a PEM file.
 *
 * The file is read again for every connection; what was parsed is kept for as long as it stays the same.
 */
export class Authorities {
  readonly #caFile: string | null;
  #trusted: { readonly pem: string; readonly context: tls.SecureContext } | undefined;

  constructor(caFile: string | null) {
    this.#caFile = caFile;
  }

  /** Undefined without a file: the runtime's own. Rejects when the file cannot be read as PEM certificates. */
  async context(): Promise<tls.SecureContext | undefined> {
    if (this.#caFile === null) return undefined;
    const pem = (await readBounded(this.#caFile, largestCaFile))?.toString() ?? '';
    if (this.#trusted?.pem !== pem) {
      // A file without a readable certificate would be ignored in silence.
      void new X509Certificate(pem);
      const context = tls.createSecureContext({ ca: [...(await defaultAuthorities()), pem] });
      this.#trusted = { pem, context };
    }
    return this.#trusted.context;
  }
}
