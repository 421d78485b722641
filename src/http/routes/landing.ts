import type { FastifyInstance } from 'fastify';
import type { KeyringView } from '../../keyring/keyring.ts';
import type { Snapshot } from '../../keyring/snapshot.ts';
import { contentSecurityPolicy, listPublished, renderLandingPage } from '../landing-page.ts';
import type { RequestCounts } from '../request-counts.ts';
import { prefers } from '../negotiate.ts';

/** `GET /`: what this server publishes, as a page when HTML is asked for by name and as JSON otherwise. */
export const registerLanding = (
  app: FastifyInstance,
  options: { keyring: KeyringView; publicUrl: string | null; counts: RequestCounts },
): void => {
  const { keyring, publicUrl, counts } = options;
  const pages = new WeakMap<Snapshot, { readonly html: Buffer; readonly json: Buffer }>();
  const pageOf = (snapshot: Snapshot) => {
    const known = pages.get(snapshot);
    if (known !== undefined) return known;
    const listing = listPublished(snapshot, publicUrl);
    const page = {
      html: Buffer.from(renderLandingPage(listing)),
      json: Buffer.from(`${JSON.stringify(listing, undefined, 2)}\n`),
    };
    pages.set(snapshot, page);
    return page;
  };
  app.get('/', (request, reply) => {
    counts.bump('landing', 200);
    const { html, json } = pageOf(keyring.current);
    void reply.headers({ vary: 'Accept', 'cache-control': 'no-cache' });
    if (!prefers(request.headers.accept, 'text/html', 'application/json')) {
      return reply.type('application/json').send(json);
    }
    return reply
      .headers({ 'content-security-policy': contentSecurityPolicy, 'referrer-policy': 'no-referrer' })
      .type('text/html; charset=utf-8')
      .send(html);
  });
};
