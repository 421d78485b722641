import type { FastifyInstance, FastifyReply } from 'fastify';
import type { KeyringView } from '../../keyring/keyring.ts';
import type { Snapshot } from '../../keyring/snapshot.ts';
import type { RequestCounts } from '../request-counts.ts';

/** Paths of the probes. */
export const probePaths = ['/livez', '/readyz', '/healthz'] as const;

/** What the probes look at. `counts` is absent where requests are not counted. */
export interface ProbeOptions {
  readonly keyring: KeyringView;
  readonly lifecycle: { readonly draining: boolean };
  readonly counts?: RequestCounts;
}

/** Why the service should get no requests now; empty when it should. */
export const reasonsNotReady = ({ keyring, lifecycle }: ProbeOptions): readonly string[] => {
  const { ready, reasons } = keyring.current.readiness;
  return [...(lifecycle.draining ? ['The service is shutting down.'] : []), ...(ready ? [] : reasons)];
};

/** Sources that publish keys they can no longer confirm, or that are missing from a set; this is not a lack of readiness. */
export const degradedSources = ({ readiness, sets }: Snapshot): readonly string[] => {
  const missing = new Set([...sets.values()].flatMap((set) => set.missing));
  return Object.entries(readiness.sources)
    .filter(([name, state]) => state === 'STALE' || missing.has(name))
    .map(([name]) => name);
};

/** `/livez`: the process answers. `/readyz`, also called `/healthz`: keys are available. */
export const registerProbes = (app: FastifyInstance, options: ProbeOptions): void => {
  const { keyring, lifecycle, counts } = options;
  const send = (reply: FastifyReply, status: 200 | 503, body: object): FastifyReply => {
    counts?.bump('probe', status);
    if (status === 503) reply.header('retry-after', '2');
    return reply
      .code(status)
      .headers({ 'content-type': 'application/json', 'cache-control': 'no-store' })
      .send(Buffer.from(JSON.stringify(body)));
  };
  const [live, ...ready] = probePaths;
  app.get(live, (_request, reply) => send(reply, 200, { status: 'live' }));
  for (const path of ready) {
    app.get(path, (_request, reply) => {
      const { readiness } = keyring.current;
      const isReady = readiness.ready && !lifecycle.draining;
      return send(reply, isReady ? 200 : 503, {
        status: isReady ? 'ready' : 'not ready',
        reasons: reasonsNotReady(options),
        degraded: degradedSources(keyring.current),
        sources: readiness.sources,
      });
    });
  }
};
