import type { Dispatcher } from 'undici';
import type { Clock } from '../../clock.ts';
import { failure, failureOf, type Failure } from './failure.ts';
import type { Transport } from './transport.ts';

/** What bounds one exchange. */
export interface Deadline {
  readonly clock: Clock;
  /** Milliseconds over connection, headers and body together. */
  readonly ms: number;
  /** Ends the exchange early. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Does network work over a route of its own, which ends with the work or with the deadline, whatever comes first.
 *
 * Never rejects: what the work throws becomes the failure behind it.
 */
export const within = async <Result>(
  transport: Transport,
  { clock, ms, signal }: Deadline,
  work: (dispatcher: Dispatcher, signal: AbortSignal) => Promise<Result>,
): Promise<Result | Failure> => {
  const route = await transport.open();
  if (!route.ok) return route;
  const ending = new AbortController();
  let late = false;
  const end = (): void => {
    ending.abort();
    // A request that still waits for its connection does not hear the signal.
    route.close();
  };
  const cancel = clock.after(ms, () => {
    late = true;
    end();
  });
  // Not AbortSignal.any: on Node 20 that keeps a trace of every attempt as long as the source lives.
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted === true) end();
  try {
    return await work(route.dispatcher, ending.signal);
  } catch (error) {
    return late ? failure('timeout', `no complete answer within ${ms} ms`) : failureOf(error);
  } finally {
    cancel();
    signal?.removeEventListener('abort', end);
    route.close();
  }
};
