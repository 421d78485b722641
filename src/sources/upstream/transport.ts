import { readFile } from 'node:fs/promises';
import tls from 'node:tls';
import { EnvHttpProxyAgent, type Dispatcher } from 'undici';
import { guardedLookup } from './addresses.ts';
import { failure, type Failure } from './failure.ts';

/** How an upstream is reached. */
export interface TransportOptions {
  /** Milliseconds to a usable connection, TLS included. */
  readonly connectTimeout: number;
  /** PEM file trusted beside the runtime's own certificate authorities; read again for every attempt. */
  readonly caFile: string | null;
  /** Proxy URL; null leaves the choice to `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. */
  readonly proxy: string | null;
  readonly blockPrivateAddresses: boolean;
}

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
 * Makes a dispatcher for each attempt, so that every poll resolves the name anew and opens its own connection.
 *
 * Only the parsed certificate authorities are kept, for as long as their file stays the same.
 */
export class Transport {
  readonly #options: TransportOptions;
  #trusted: { readonly pem: string; readonly context: tls.SecureContext } | undefined;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** A dispatcher the caller must destroy, or `ca_file` when the certificate authority cannot be read. */
  async open(): Promise<{ readonly ok: true; readonly dispatcher: Dispatcher } | Failure> {
    const { connectTimeout, blockPrivateAddresses, proxy } = this.#options;
    let secureContext: tls.SecureContext | undefined;
    try {
      secureContext = await this.#authorities();
    } catch {
      return failure('ca_file', `caFile ${this.#options.caFile} cannot be read as PEM certificates`);
    }
    const connect = {
      timeout: connectTimeout,
      lookup: guardedLookup(blockPrivateAddresses),
      ...(secureContext === undefined ? {} : { secureContext }),
    };
    const { lookup: _, ...throughProxy } = connect;
    const dispatcher = new EnvHttpProxyAgent({
      connect,
      requestTls: throughProxy,
      // The proxy is the operator's choice and usually a private address: the policy is for upstreams.
      proxyTls: throughProxy,
      pipelining: 0,
      ...(proxy === null ? {} : { httpProxy: proxy, httpsProxy: proxy, noProxy: '' }),
    });
    return { ok: true, dispatcher };
  }

  async #authorities(): Promise<tls.SecureContext | undefined> {
    const { caFile } = this.#options;
    if (caFile === null) return undefined;
    const pem = await readFile(caFile, 'utf8');
    if (this.#trusted?.pem !== pem) {
      const context = tls.createSecureContext({ ca: [...(await defaultAuthorities()), pem] });
      this.#trusted = { pem, context };
    }
    return this.#trusted.context;
  }
}
