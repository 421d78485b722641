import http, { type Agent, type IncomingHttpHeaders } from 'node:http';
import https from 'node:https';
import net, { type Socket } from 'node:net';
import { eventually } from '../fakes/jwksd.ts';

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

/** How a request is made. */
export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A connection of its own for each request unless an agent is given. */
  readonly agent?: Agent;
  /** Certificate authority, PEM. */
  readonly ca?: string;
}

/**
 * Asks once, follows nothing, and sends no header that is not given.
 *
 * Rejects when the answer is not complete; `reused` of the error tells whether the connection had served before.
 */
export const get = async (url: string, options: RequestOptions = {}): Promise<Answer> =>
  await new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, agent = false, ca } = options;
    const done = (response: http.IncomingMessage): void => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('close', () => reject(new Error('the answer was cut off')));
      response.on('end', () => {
        const body = Buffer.concat(chunks);
        const { statusCode = 0, headers: received } = response;
        resolve({ status: statusCode, headers: received, body, text: body.toString() });
      });
    };
    const request = url.startsWith('https:')
      ? https.request(url, { method, headers, agent, ca }, done)
      : http.request(url, { method, headers, agent }, done);
    request.on('error', (error) => reject(Object.assign(error, { reused: request.reusedSocket })));
    request.end();
  });

/** The kids of the JWK Set at `url`. */
export const kidsAt = async (url: string): Promise<readonly string[]> => {
  const { status, text } = await get(url);
  if (status !== 200) throw new Error(`${url} answers ${status}: ${text}`);
  return (JSON.parse(text) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
};

/** Resolves once the server at `url` says it is ready. */
export const ready = async ({ url }: { readonly url: string }): Promise<void> => {
  await eventually(async () => (await get(`${url}/readyz`)).status === 200 || undefined);
};

/** Opens a connection; nothing is sent on it. */
export const connect = async (port: number): Promise<Socket> =>
  await new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
    // A reset later on is the server's right when it refused what was still being sent.
    socket.on('error', reject);
  });

/** Sends these bytes and resolves with all that came back until the other side closed the connection. */
export const exchangeOn = async (socket: Socket, bytes: string | Buffer, limit = 10_000): Promise<string> =>
  await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const received = (): string => Buffer.concat(chunks).toString('latin1');
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`not closed within ${limit} ms; received ${JSON.stringify(received())}`));
    }, limit);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(received());
    });
    if (bytes.length > 0) socket.write(bytes);
  });

/** The same on a connection of its own. */
export const exchange = async (port: number, bytes: string | Buffer, limit?: number): Promise<string> =>
  await exchangeOn(await connect(port), bytes, limit);
