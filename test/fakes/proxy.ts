import http from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';

/** A proxy on a free port of loopback that tunnels (`CONNECT`) and remembers to where. */
export class FakeProxy {
  /** `host:port` of every tunnel asked for. */
  readonly tunnels: string[] = [];
  /** Answers tunnels with this status instead of making them, when set. */
  refuse: number | undefined;
  /** Leads every tunnel to this port of loopback, wherever it was to go, when set. */
  target: number | undefined;
  readonly #server: http.Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: http.Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeProxy> {
    const server = http.createServer();
    const proxy = new FakeProxy(server);
    const keep = (socket: Socket): void => {
      proxy.#sockets.add(socket);
      socket.on('close', () => proxy.#sockets.delete(socket));
      socket.on('error', () => undefined);
    };
    server.on('connection', keep);
    server.on('connect', (request: http.IncomingMessage, client: Socket, head: Buffer) => {
      proxy.tunnels.push(request.url ?? '');
      if (proxy.refuse !== undefined) {
        client.end(`HTTP/1.1 ${proxy.refuse} Refused\r\ncontent-length: 0\r\n\r\n`);
        return;
      }
      const { hostname, port } = new URL(`http://${request.url ?? ''}`);
      const to = proxy.target;
      const target = net.connect(to ?? Number(port), to === undefined ? hostname : '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        target.write(head);
        target.pipe(client).pipe(target);
      });
      keep(target);
      target.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n'));
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }
}
