import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parseJson, repeatsMember } from '../../../jwk/json.ts';
import { revocationReasons, type RegisteredKey, type RevocationReason } from '../../../stores/store.ts';
import {
  refusal,
  type RegistrationOutcome,
  type RegistrationRefusal,
} from '../../../tokens/registration/outcome.ts';
import type { Registrar } from '../../../tokens/registration/registrar.ts';
import { dateText, queryOf, type RegistrationAnswers } from './answers.ts';
import type { Audit } from './audit.ts';
import type { Callers } from './caller.ts';

/** What the routes of clients work with. */
export interface OwnKeysOptions {
  readonly path: string;
  readonly noncePath: string;
  readonly registrar: Registrar;
  readonly callers: Callers;
  readonly answers: RegistrationAnswers;
  readonly audit: Audit;
}

/** Keys on a page of the list, unless the client asks for fewer. */
const pageSize = 100;

/** A registered key as its client, or an administrator, sees it. */
export const keyView = (record: RegisteredKey): object => ({
  jkt: record.jkt,
  client_id: record.clientId,
  created_at: dateText(record.createdAt),
  proved_at: dateText(record.provedAt),
  expires_at: dateText(record.expiresAt),
  ...(record.label === undefined ? {} : { label: record.label }),
  ...(record.revoked === undefined
    ? {}
    : { revoked: { reason: record.revoked.reason, at: dateText(record.revoked.at) } }),
  jwk: record.jwk,
});

/** `limit` of a request, 1 to 1,000. */
export const limitOf = (text: string | undefined): number | undefined => {
  if (text === undefined) return pageSize;
  return /^\d{1,4}$/u.test(text) && Number(text) >= 1 && Number(text) <= 1000 ? Number(text) : undefined;
};

const notAProof = refusal(
  'invalid_request',
  'send an object with the member proof, a compact JWS, and nothing beside it',
);
const notTheirs = refusal('not_found', 'this client has no key of that thumbprint');

interface JktRoute {
  Params: { jkt: string };
}

/** The one member a body must have, and nothing else. */
const memberOf = (body: unknown, name: string): unknown => {
  const text = typeof body === 'string' ? body : '';
  const json = parseJson(text);
  if (!json.ok || repeatsMember(text)) return undefined;
  const { value } = json;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.keys(value).join(' ') === name ? (value as Record<string, unknown>)[name] : undefined;
};

/** Registering, listing and taking back one's own keys. */
export const registerOwnKeys = (app: FastifyInstance, options: OwnKeysOptions): void => {
  const { path, noncePath, registrar, callers, answers, audit } = options;
  const onRequest = callers.identify;

  app.post(path, { onRequest }, async (request, reply) => {
    const caller = callers.of(request);
    const proof = memberOf(request.body, 'proof');
    const outcome = await audit(request, caller, 'register', async () =>
      proof === undefined ? notAProof : await registrar.register(caller, proof),
    );
    if (!outcome.ok) return answers.refuse(reply, outcome);
    const { jkt, clientId, createdAt, expiresAt } = outcome.record;
    return answers.send(reply, 200, {
      jkt,
      client_id: clientId,
      created_at: dateText(createdAt),
      expires_at: dateText(expiresAt),
      status: outcome.status,
    });
  });

  app.get(path, { onRequest, exposeHeadRoute: true }, async (request, reply) => {
    const { cursor, limit } = queryOf(request) ?? {};
    const count = limitOf(limit);
    if (count === undefined) {
      return answers.refuse(reply, refusal('invalid_request', 'limit is a number from 1 to 1000'));
    }
    const page = await registrar.list(callers.of(request).clientId, cursor, count);
    return answers.send(reply, 200, {
      keys: page.records.map(keyView),
      ...(page.next === undefined ? {} : { next: page.next }),
    });
  });

  const takeBack = async (
    request: FastifyRequest<JktRoute>,
    act: 'delete' | 'revoke',
    reason: RevocationReason | RegistrationRefusal,
  ): Promise<RegistrationOutcome> => {
    const caller = callers.of(request);
    return await audit(request, caller, act, async () => {
      if (typeof reason !== 'string') return reason;
      const record = await registrar.revoke(caller.clientId, request.params.jkt, reason);
      return record === undefined ? notTheirs : { ok: true, status: 'done', record };
    });
  };

  app.delete<JktRoute>(`${path}/:jkt`, { onRequest }, async (request, reply) => {
    const outcome = await takeBack(request, 'delete', 'deleted');
    return outcome.ok ? answers.send(reply, 204) : answers.refuse(reply, outcome);
  });

  app.post<JktRoute>(`${path}/:jkt/revoke`, { onRequest }, async (request, reply) => {
    const outcome = await takeBack(request, 'revoke', reasonOf(memberOf(request.body, 'reason')));
    return outcome.ok ? answers.send(reply, 200, keyView(outcome.record)) : answers.refuse(reply, outcome);
  });

  app.post(noncePath, { onRequest }, async (_request, reply) => {
    const { nonce, expiresIn } = await registrar.nonce();
    return answers.send(reply, 200, { nonce, expires_in: expiresIn });
  });
};

/** The reasons a client may give; `deleted` is what DELETE says. */
const reasons: readonly RevocationReason[] = revocationReasons.filter((each) => each !== 'deleted');

const reasonOf = (value: unknown): RevocationReason | RegistrationRefusal =>
  reasons.find((each) => each === value) ??
  refusal('invalid_request', `send an object with the member reason alone: one of ${reasons.join(', ')}`);
