import http, { type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Provider } from 'oidc-provider';
import { vi } from 'vitest';

const secret = 'a secret of this test and no other';
const resource = 'urn:jwksd:test:api';
const scopes = ['read', 'client_jwks_registration_scope'];

/** What a token is asked for with. */
export interface TokenRequest {
  /** One of the provider's clients. */
  readonly client?: string;
  readonly scope?: string;
  /** An opaque one, which only the provider's introspection endpoint understands. */
  readonly opaque?: boolean;
}

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
  readonly #clients: readonly string[];
  #server: Server;
  #answer: RequestListener = () => undefined;

  private constructor(server: Server, clients: readonly string[]) {
    this.#server = server;
    this.#clients = clients;
    this.#port = (server.address() as AddressInfo).port;
    this.issuer = `http://127.0.0.1:${this.#port}`;
    this.#attach();
  }

  /** Starts a provider with these private JWKs; the first that fits signs. All clients have the same secret. */
  static async start(
    keys: readonly object[],
    clients: readonly string[] = ['somebody'],
  ): Promise<IdentityProvider> {
    const provider = new IdentityProvider(await listen(0), clients);
    await provider.rotate(keys);
    return provider;
  }

  /** Goes on with these private JWKs. */
  async rotate(keys: readonly object[]): Promise<void> {
    const provider = await make(this.issuer, {
      jwks: { keys },
      clients: this.#clients.map((id) => ({
        client_id: id,
        client_secret: secret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      })),
      scopes,
      ttl: { ClientCredentials: 600 },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        introspection: { enabled: true, allowedPolicy: () => true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: () => ({
            scope: scopes.join(' '),
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
  async token({ client = 'somebody', scope = 'read', opaque = false }: TokenRequest = {}): Promise<string> {
    const credentials = `${encodeURIComponent(client)}:${encodeURIComponent(secret)}`;
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(credentials)}` },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        scope,
        ...(opaque ? {} : { resource }),
      }),
    });
    const body = (await response.json()) as { access_token?: string };
    if (body.access_token === undefined) throw new Error(`no token: ${JSON.stringify(body)}`);
    return body.access_token;
  }

  /** The secret of every client. */
  get secret(): string {
    return secret;
  }

  /** The audience of tokens that are not opaque. */
  get audience(): string {
    return resource;
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
