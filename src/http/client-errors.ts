import type { Socket } from 'node:net';
import type { HttpErrorCode } from './problem.ts';
import { rawProblem } from './problem.ts';
import { longestTarget } from './target.ts';

/** What Node's parser tells beside the message. */
interface ClientError {
  readonly code?: string | undefined;
  readonly rawPacket?: unknown;
}

/** How long a refused connection may go on sending before it is cut. */
const lingerMs = 1000;

const endsWithin = (packet: Buffer, limit: number): boolean => {
  const end = packet.indexOf(10);
  return end !== -1 && end <= limit;
};

/** Whether the packet that overflowed the header begins with a request line that is too long by itself. */
const isRequestLine = (packet: unknown): boolean =>
  Buffer.isBuffer(packet) &&
  /^[A-Z]+ /u.test(packet.toString('latin1', 0, 32)) &&
  !endsWithin(packet, longestTarget);

const refusal = (error: ClientError): readonly [HttpErrorCode, string] | undefined => {
  switch (error.code ?? '') {
    case 'HPE_HEADER_OVERFLOW':
      return isRequestLine(error.rawPacket)
        ? ['uri_too_long', 'The request line is too long.']
        : ['headers_too_large', 'The request line and header have more than 32 KiB.'];
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return ['payload_too_large', 'The chunk extensions of the body are too large.'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['request_timeout', 'The request did not arrive in time.'];
    default:
      // Anything else that is not of the HTTP parser is about the connection, and there is nobody to answer.
      return error.code?.startsWith('HPE_') === true
        ? ['bad_request', 'This is not a valid HTTP request.']
        : undefined;
  }
};

/**
 * Answers what Node's HTTP parser refused before Fastify saw it, in the form of every other problem.
 *
 * `counted` is told the status. The connection is closed afterwards: what follows on it cannot be understood.
 */
export const answerClientError = (
  error: ClientError,
  socket: Socket,
  counted?: (code: HttpErrorCode) => void,
): void => {
  // The parser reports again for every further packet on a connection that is already answered.
  if (socket.writableEnded) return;
  const found = refusal(error);
  const underWay = (socket as { _httpMessage?: { headersSent: boolean } | null })._httpMessage;
  if (found === undefined || !socket.writable || underWay?.headersSent === true) {
    socket.destroy();
    return;
  }
  const [code, detail] = found;
  counted?.(code);
  endWith(socket, code, detail);
};

const endWith = (socket: Socket, code: HttpErrorCode, detail: string): void => {
  socket.end(rawProblem(code, detail));
  // Destroying at once would reset the connection while the client still sends, and the answer would be lost.
  setTimeout(() => socket.destroy(), lingerMs).unref();
};

/**
 * Refuses CONNECT, which Node keeps from Fastify and drops without an answer when nobody listens.
 *
 * 400 and not 405: what CONNECT names is no resource of this server that could list the methods it allows.
 */
export const refuseConnect = (socket: Socket, counted?: (code: HttpErrorCode) => void): void => {
  // Node has taken its own listeners off: an error would end the process, and unread bytes would hide the client's end.
  socket.on('error', () => undefined).resume();
  const underWay = (socket as { _httpMessage?: unknown })._httpMessage ?? undefined;
  if (underWay !== undefined || !socket.writable) {
    socket.destroy();
    return;
  }
  counted?.('bad_request');
  endWith(socket, 'bad_request', 'This server is no proxy.');
};
