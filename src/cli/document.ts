import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { systemClock, type Clock } from '../clock.ts';
import { JwksdError } from '../errors.ts';
import { readBounded } from '../sources/read-bounded.ts';
import type { Failure } from '../sources/upstream/failure.ts';
import { withoutSecrets } from '../sources/without-secrets.ts';
import type { Io } from './command.ts';
import type { DocumentResponse } from './exchange.ts';
import { version } from './version.ts';

/** What a command was pointed to: the content of a file, of stdin, or of an answer. */
export interface Document {
  /** Fit for messages: the file as it was given, `stdin`, or the URL without user info and query. */
  readonly name: string;
  readonly bytes: Buffer;
  /** How the server answered; absent for a file and for stdin. */
  readonly response?: DocumentResponse;
}

/** How a document is read; every member has a default. */
export interface ReadOptions {
  /** Largest document in bytes: 1 MiB. */
  readonly limit?: number;
  /** Milliseconds a server has for its whole answer: 10,000. */
  readonly timeout?: number;
  /** Sent to a server, instead of `Accept` and `User-Agent`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
}

const usualLimit = 1024 * 1024;

/** Whether a word of the command line is a URL to ask, and not a file. */
export const isUrl = (where: string): boolean => /^https?:\/\//iu.test(where);

/**
 * Reads FILE, `-` (stdin) or an http(s) URL.
 *
 * @throws {JwksdError} `failed` when there is no such document, it is too large, or a server answers other than 200 or
 * not in time; `usage` for a URL that is none. The message names the document and the way out.
 */
export const readDocument = async (where: string, io: Io, options: ReadOptions = {}): Promise<Document> => {
  const limit = options.limit ?? usualLimit;
  if (where === '-') return { name: 'stdin', bytes: await readStream(io.stdin, 'stdin', limit) };
  if (!isUrl(where)) return { name: where, bytes: await readFile(where, io.cwd, limit) };
  return demandOk(await askUrl(where, options));
};

/** The document, when it was answered with 200. @throws {JwksdError} `failed` for any other answer. */
export const demandOk = (document: Required<Document>): Document => {
  const { status, location } = document.response;
  if (status === 200) return document;
  if (location !== undefined) {
    throw failed(`${document.name} redirects to ${withoutSecrets(location)} (${status}); ask that URL`);
  }
  const next = status === 404 ? 'look at the path' : 'look at the log of that server';
  throw failed(`${document.name} answers ${status} instead of 200; ${next}`);
};

/**
 * Reads what a URL answers, whatever its status: redirects are reported and not followed.
 *
 * @throws {JwksdError} `failed` when there is no complete answer; `usage` for a URL that is none.
 */
export const askUrl = async (where: string, options: ReadOptions = {}): Promise<Required<Document>> => {
  const name = withoutSecrets(where);
  if (!URL.canParse(where)) throw new JwksdError('usage', `${JSON.stringify(where)} is not a URL`);
  const url = new URL(where);
  if (url.username !== '' || url.password !== '') {
    throw new JwksdError(
      'usage',
      `${name}: a user name in the URL is not sent; fetch it with another tool and give the file`,
    );
  }
  url.hash = '';
  // The network stack is the slowest thing to load that any command has.
  const { exchange } = await import('./exchange.ts');
  const answer = await exchange(url, {
    clock: options.clock ?? systemClock,
    timeout: options.timeout ?? 10_000,
    limit: options.limit ?? usualLimit,
    headers: options.headers ?? {
      accept: 'application/jwk-set+json, application/json;q=0.9, */*;q=0.1',
      'user-agent': `jwksd/${version}`,
    },
  });
  if (answer.ok) return { name, bytes: answer.bytes, response: answer.response };
  throw failed(`${name}: ${answer.detail}${wayOut(answer)}`);
};

const failed = (detail: string, cause?: unknown): JwksdError =>
  new JwksdError('failed', detail, cause === undefined ? {} : { cause });

const hints: Partial<Record<Failure['code'], string>> = {
  dns: 'the host name is not known here',
  connect: 'nothing listens there, or a firewall is between',
  timeout: 'the server hangs, or is not reachable from here',
  tls_cert: 'a private certificate authority is trusted with NODE_EXTRA_CA_CERTS=FILE',
  reset: 'the connection was cut; is this the right port, and http or https as the server speaks it?',
  http_other: 'is this the right port?',
};

const wayOut = ({ code }: Failure): string => {
  const hint = hints[code];
  return hint === undefined ? '' : `; ${hint}`;
};

const tooLarge = (name: string, limit: number): JwksdError =>
  failed(`${name} is larger than ${limit} bytes; is it the right one?`);

const readFile = async (where: string, cwd: string, limit: number): Promise<Buffer> => {
  const file = path.resolve(cwd, where);
  try {
    // What a shell makes of <(command) is a pipe, which must be waited for.
    if (!(await stat(file)).isFile()) return await readStream(createReadStream(file), where, limit);
    const bytes = await readBounded(file, limit);
    if (bytes === undefined) throw tooLarge(where, limit);
    return bytes;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why: Readonly<Record<string, string>> = {
      ENOENT: 'does not exist',
      ENOTDIR: 'does not exist',
      EISDIR: 'is a directory; name a file in it',
      EACCES: 'cannot be read with the rights of this user',
      ENAMETOOLONG: 'does not exist: the name is too long',
    };
    const known = Object.hasOwn(why, code ?? '') ? why[code ?? ''] : undefined;
    throw known === undefined ? error : failed(`${where} ${known}`, error);
  }
};

const readStream = async (
  stream: AsyncIterable<string | Buffer> | NodeJS.ReadableStream,
  name: string,
  limit: number,
): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk as Buffer);
    size += bytes.length;
    if (size > limit) throw tooLarge(name, limit);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks, size);
};
