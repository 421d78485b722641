import http, { type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Provider } from 'oidc-provider';
import { vi } from 'vitest';

const client = { id: 'somebody', secret: 'a secret of this test and no other' };
const resource = 'urn:jwksd:test:api';

/**
 * A real identity provider (the package `oidc-provider`) on loopback, whose signing keys a test rotates.
 *
 * Rotation is what an operator of it does: the provider is made anew with other keys, at the same address.
 */
export class IdentityProvider {
  readonly issuer: string;
  /** Paths asked for so far. */
  readonly requests: string[] = [];
  readonly #port: number;
  #server: Server;
  #answer: RequestListener = () => undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    this.issuer = `http://127.0.0.1:${this.#port}`;
    this.#attach();
  }

  /** Starts a provider with these private JWKs; the first that fits signs. */
  static async start(keys: readonly object[]): Promise<IdentityProvider> {
    const provider = new IdentityProvider(await listen(0));
    await provider.rotate(keys);
    return provider;
  }

  /** Goes on with these private JWKs. */
  async rotate(keys: readonly object[]): Promise<void> {
    const provider = await make(this.issuer, {
      jwks: { keys },
      clients: [
        {
          client_id: client.id,
          client_secret: client.secret,
          grant_types: ['client_credentials'],
          redirect_uris: [],
          response_types: [],
        },
      ],
      ttl: { ClientCredentials: 600 },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: () => ({
            scope: 'read',
            audience: resource,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
    });
    this.#answer = provider.callback();
  }

  /** An access token of the client credentials grant, signed by the provider (RFC 6749 §4.4, RFC 8707, RFC 9068). */
  async token(): Promise<string> {
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${client.id}:${encodeURIComponent(client.secret)}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope: 'read' }),
    });
    const body = (await response.json()) as { access_token?: string };
    if (body.access_token === undefined) throw new Error(`no token: ${JSON.stringify(body)}`);
    return body.access_token;
  }

  /** Stops listening and cuts every connection. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }

  /** Listens again, at the same address. */
  async resume(): Promise<void> {
    this.#server = await listen(this.#port);
    this.#attach();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #attach(): void {
    this.#server.on('request', (request, response) => {
      this.requests.push(request.url ?? '');
      this.#answer(request, response);
    });
  }
}

/** Without its warnings: that its store is a test's store, and that Node 20, on which it works, is older than it likes. */
const make = async (issuer: string, configuration: object): Promise<Provider> => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  try {
    const module = await import('oidc-provider');
    return new module.Provider(issuer, configuration);
  } finally {
    warn.mockRestore();
  }
};

const listen = async (port: number): Promise<Server> =>
  await new Promise((resolve, reject) => {
    const server = http.createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
