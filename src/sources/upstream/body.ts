import { promisify } from 'node:util';
import zlib from 'node:zlib';
import type { Dispatcher } from 'undici';
import { failure, type Failure } from './failure.ts';
import { headerText } from './freshness.ts';

type Decoder = (data: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['gzip', promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip)],
  ['x-gzip', promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip)],
  ['br', promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress)],
  ['deflate', promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate)],
]);

const tooLarge = (limit: number): Failure => failure('too_large', `the body is larger than ${limit} bytes`);

/**
 * The decoded body of an answer, at most `limit` bytes on the wire and decoded.
 *
 * We ask for `identity`; one coding is undone all the same, because some servers send it unasked. Throws what the
 * stream throws.
 */
export const readBody = async (
  response: Dispatcher.ResponseData,
  limit: number,
  signal: AbortSignal,
): Promise<{ readonly ok: true; readonly bytes: Buffer } | Failure> => {
  const declared = Number(headerText(response.headers, 'content-length'));
  if (declared > limit) {
    response.body.destroy();
    return tooLarge(limit);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Leaving the loop destroys the body.
    if (size > limit) return tooLarge(limit);
    chunks.push(chunk);
  }
  signal.throwIfAborted();
  return await decode(Buffer.concat(chunks, size), headerText(response.headers, 'content-encoding'), limit);
};

const decode = async (
  wire: Buffer,
  coding: string,
  limit: number,
): Promise<{ readonly ok: true; readonly bytes: Buffer } | Failure> => {
  const name = coding.trim().toLowerCase();
  if (name === '' || name === 'identity') return { ok: true, bytes: wire };
  const decoder = decoders.get(name);
  if (decoder === undefined)
    return failure('decompress', 'the body has an unknown or a double content coding');
  try {
    return { ok: true, bytes: await decoder(wire, { maxOutputLength: limit }) };
  } catch (error) {
    const bomb =
      error instanceof RangeError || (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    return bomb ? tooLarge(limit) : failure('decompress', 'the body cannot be decompressed');
  }
};
