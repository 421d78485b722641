import { fork, type ChildProcess } from 'node:child_process';
import { createHash, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { jwtVerify, type JWTHeaderParameters } from 'jose';
import { workDirectory } from './keys.ts';
import { pause, peer, program, startServer, type Server } from './process.ts';
import { watchMemory } from './watch-memory.ts';
import { verifyAll, type Tally, type Tokens } from './verify-all.ts';

/** The client libraries, each in its default settings but the one that says so. */
export const peerNames = ['jose', 'jwks-rsa', 'jwks-rsa, tuned', 'get-jwks'] as const;

/** One of {@link peerNames}. */
export type PeerName = (typeof peerNames)[number];

/** What a verifier is told to do. */
export type Command = { readonly do: 'lapse'; readonly ms: number } | ({ readonly do: 'verify' } & Tokens);

/** A verifier, and where it gets its keys from, in processes of their own. */
export interface Verifier {
  /** Verifies tokens; one that takes longer than `limit` milliseconds counts as not verified. */
  verify(
    tokens: readonly string[],
    times: number,
    options?: { readonly parallel?: number; readonly limit?: number },
  ): Promise<Tally>;
  /** Lets every cache lapse. */
  lapse(): Promise<void>;
  /** Ends and begins anew, as after a deployment. */
  restart(): Promise<void>;
  /** Growth of resident memory since `mark`, at its highest, in MB. */
  readonly growth: () => number;
  readonly mark: () => void;
  stop(): Promise<void>;
}

/** Beyond every cache of the libraries' defaults: 1 min (get-jwks), 10 min (jose, jwks-rsa). */
const lapsed = 11 * 60_000;
/** jwksd asks its upstream every second in these runs (its floor), so a lapse is a wait for two refreshes. */
const jwksdLapse = 2300;
const verifyLimit = 60_000;

const within = async (limit: number, tally: Promise<Tally>, total: number): Promise<Tally> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Tally>((resolve) => {
    timer = setTimeout(() => resolve({ good: 0, total, ms: limit, error: 'no answer' }), limit);
  });
  try {
    return await Promise.race([tally, late]);
  } finally {
    clearTimeout(timer);
  }
};

/** The next message; rejects when the process ends instead. */
const answered = async (child: ChildProcess): Promise<unknown> => {
  const controller = new AbortController();
  const { signal } = controller;
  try {
    const [message] = (await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'close', { signal }).then(([code]) =>
        Promise.reject(new Error(`a verifier ended with ${String(code)}`)),
      ),
    ])) as [unknown];
    return message;
  } finally {
    controller.abort();
  }
};

/** A library, in a child process of at most 512 MB of JavaScript heap. */
export const startPeer = async (name: PeerName, url: string): Promise<Verifier> => {
  const launch = async () => {
    const child = fork(peer('survival-client'), [name, url], { execArgv: ['--max-old-space-size=512'] });
    await answered(child);
    return child;
  };
  let child = await launch();
  const tell = async (command: Command): Promise<Tally> => {
    child.send(command);
    return (await answered(child)) as Tally;
  };
  const stop = async (): Promise<void> => {
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  };
  return {
    verify: async (tokens, times, { parallel = 1, limit = verifyLimit } = {}) =>
      await within(limit, tell({ do: 'verify', tokens, times, parallel }), tokens.length * times),
    lapse: async () => void (await tell({ do: 'lapse', ms: lapsed })),
    restart: async () => {
      await stop();
      child = await launch();
    },
    ...watchMemory(() => child.pid ?? 0),
    stop,
  };
};

/** Keys from jwksd as a verifier asks for them: one request for the PEM of the token's `kid`, nothing kept. */
const throughJwksd = (url: () => string, agent: http.Agent) => async (header: JWTHeaderParameters) =>
  await new Promise<ReturnType<typeof createPublicKey>>((resolve, reject) => {
    const digest = createHash('sha256')
      .update(header.kid ?? '')
      .digest('hex');
    const request = http.get(`${url()}/certs/${digest}.pem`, { agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        if (response.statusCode === 200) resolve(createPublicKey(Buffer.concat(chunks).toString()));
        else reject(new Error(`jwksd answered ${response.statusCode}`));
      });
    });
    request.on('error', reject);
  });

/** jwksd as it ships, with one upstream that it asks every `refresh`. */
export const startJwksdVerifier = async (url: string, refresh = '1s'): Promise<Verifier> => {
  const directory = workDirectory();
  mkdirSync(path.join(directory, 'state'));
  const config = path.join(directory, 'jwksd.json');
  const every = { refreshInterval: refresh, refreshMin: refresh, refreshMax: refresh };
  writeFileSync(
    config,
    JSON.stringify({
      log: { level: 'silent' },
      state: { dir: path.join(directory, 'state') },
      sources: { idp: { type: 'jwks', url, ...every } },
    }),
  );
  const launch = async (): Promise<Server> =>
    await startServer('/readyz', (port) => [
      process.execPath,
      [program, 'serve', `--config=${config}`, `--port=${port}`, '--ops-port=0'],
    ]);
  let server = await launch();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  const find = throughJwksd(() => server.url, agent);
  return {
    verify: async (tokens, times, { parallel = 1, limit = verifyLimit } = {}) =>
      await within(
        limit,
        verifyAll({ tokens, times, parallel }, async (token) => await jwtVerify(token, find)),
        tokens.length * times,
      ),
    lapse: async () => await pause(jwksdLapse),
    restart: async () => {
      await server.stop();
      server = await launch();
    },
    ...watchMemory(() => server.pid),
    stop: async () => {
      agent.destroy();
      await server.stop();
    },
  };
};
