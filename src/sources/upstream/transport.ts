import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { buildConnector, EnvHttpProxyAgent, Pool, type Dispatcher } from 'undici';
import { guardedLookup } from './addresses.ts';
import { Authorities } from './authorities.ts';
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

/** The way to an upstream for one attempt. */
export interface Route {
  readonly ok: true;
  readonly dispatcher: Dispatcher;
  /** Ends everything at once: requests fail, and sockets close, in whatever state they are. */
  close(): void;
}

/**
 * Makes a dispatcher for each attempt, so that every poll resolves the name anew and opens its own connection.
 *
 * Only the parsed certificate authorities are kept, for as long as their file stays the same.
 */
export class Transport {
  readonly #options: TransportOptions;
  readonly #authorities: Authorities;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#authorities = new Authorities(options.caFile);
  }

  /** A route the caller must close; a failure when the certificate authority or the proxy is no such thing. */
  async open(): Promise<Route | Failure> {
    let secureContext: SecureContext | undefined;
    try {
      secureContext = await this.#authorities.context();
    } catch {
      return failure('ca_file', `caFile ${this.#options.caFile} cannot be read as PEM certificates`);
    }
    try {
      return this.#route(secureContext === undefined ? {} : { secureContext });
    } catch {
      return failure('connect', 'the proxy, configured or from the environment, is not a usable URL');
    }
  }

  #route(trust: { readonly secureContext?: SecureContext }): Route {
    const { connectTimeout, blockPrivateAddresses, proxy } = this.#options;
    const sockets = new Set<Socket>();
    // undici forgets a socket whose handshake is under way when it is destroyed, so they are remembered here.
    const remember =
      (connector: buildConnector.connector): buildConnector.connector =>
      (options, callback) => {
        // The types hide that a connector returns its socket before it is connected.
        const socket = connector(options, callback) as unknown as Socket;
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
      };
    const throughProxy = { timeout: connectTimeout, ...trust };
    const direct = { ...throughProxy, lookup: guardedLookup(blockPrivateAddresses) };
    const dispatcher = new EnvHttpProxyAgent({
      connect: remember(buildConnector(direct)),
      requestTls: throughProxy,
      // The proxy is the operator's choice and usually a private address: the policy is for upstreams.
      proxyTls: throughProxy,
      clientFactory: (origin, { connect }: { connect: buildConnector.connector }) =>
        new Pool(origin, { connect: remember(connect) }),
      pipelining: 0,
      ...(proxy === null ? {} : { httpProxy: proxy, httpsProxy: proxy, noProxy: '' }),
    });
    const close = (): void => {
      dispatcher.destroy().catch(() => undefined);
      for (const socket of sockets) socket.destroy();
    };
    return { ok: true, dispatcher, close };
  }
}
