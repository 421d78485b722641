import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An identity provider that publishes whatever body it is given last. */
export interface Upstream {
  readonly url: string;
  publish(body: string): void;
  /** How many requests it has answered. */
  readonly served: number;
  close(): void;
}

/** Listens on a free port of loopback; answers name no freshness. */
export const startUpstream = async (body: string): Promise<Upstream> => {
  let current = Buffer.from(body);
  let served = 0;
  const server = createServer((_request, response) => {
    served += 1;
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': current.length });
    response.end(current);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    publish: (next) => {
      current = Buffer.from(next);
    },
    get served() {
      return served;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};
