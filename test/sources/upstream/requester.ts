import { systemClock } from '../../../src/clock.ts';
import {
  Requester,
  type Answer,
  type Ask,
  type AttemptOptions,
} from '../../../src/sources/upstream/attempt.ts';
import type { Failure } from '../../../src/sources/upstream/failure.ts';

for (const name of ['http_proxy', 'https_proxy', 'no_proxy']) {
  // The machine the tests run on may have a proxy of its own.
  delete process.env[name];
  delete process.env[name.toUpperCase()];
}

/** What the configuration gives by default, with waits short enough for a test. */
export const attemptOptions: AttemptOptions = {
  connectTimeout: 1000,
  totalTimeout: 5000,
  maxBody: 64 * 1024,
  caFile: null,
  proxy: null,
  bearerTokenFile: null,
  headers: {},
  allowInsecureHttp: false,
  allowRedirectHosts: [],
  blockPrivateAddresses: false,
  ownOrigins: [],
};

export const requester = (options: Partial<AttemptOptions> = {}): Requester =>
  new Requester({ ...attemptOptions, ...options }, systemClock, 'jwksd/test');

const ask = (options: Partial<AttemptOptions>): Ask => ({
  accept: 'application/json',
  maxBody: options.maxBody ?? attemptOptions.maxBody,
});

/** One attempt over the real network. */
export const attempt = async (
  url: URL,
  options: Partial<AttemptOptions> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<Answer | Failure> => await requester(options).send(url, ask(options), signal);

/** The code of an attempt, `ok` when it succeeded. */
export const codeOf = (result: Answer | Failure): string => (result.ok ? 'ok' : result.code);
