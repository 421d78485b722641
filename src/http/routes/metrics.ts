import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../metrics.ts';

/** `GET /metrics` in Prometheus' text format. */
export const registerMetrics = (app: FastifyInstance, { registry }: Metrics): void => {
  app.get('/metrics', async (_request, reply) => {
    const text = await registry.metrics();
    return reply
      .headers({ 'content-type': registry.contentType, 'cache-control': 'no-store' })
      .send(Buffer.from(text));
  });
};
