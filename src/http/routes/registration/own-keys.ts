import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseJson, repeatsMember } from '../../../jwk/json.ts';
import { revocationReasons, type RegisteredKey, type RevocationReason } from '../../../stores/store.ts';
import { refusal, type RegistrationRefusal } from '../../../tokens/registration/outcome.ts';
import type { Caller, Registrar } from '../../../tokens/registration/registrar.ts';
import { dateText, queryOf, type RegistrationAnswers } from './answers.ts';
import type { Callers } from './caller.ts';

/** What the routes of clients work with. */
export interface OwnKeysOptions {
  readonly path: string;
  readonly noncePath: string;
  readonly registrar: Registrar;
  readonly callers: Callers;
  readonly answers: RegistrationAnswers;
  readonly log: FastifyBaseLogger;
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
  const { path, noncePath, registrar, callers, answers, log } = options;
  const onRequest = callers.identify;
  const audit = (request: FastifyRequest, { clientId }: Caller, act: string, more: object): void =>
    log.info({ audit: act, client: clientId, address: request.ip, ...more }, 'registration of keys');

  app.post(path, { onRequest }, async (request, reply) => {
    const caller = callers.of(request);
    const proof = memberOf(request.body, 'proof');
    if (proof === undefined) {
      const description = 'send {"proof": "<compact JWS>"} and nothing beside it';
      return answers.refuse(reply, refusal('invalid_request', description));
    }
    const outcome = await registrar.register(caller, proof);
    if (!outcome.ok) {
      audit(request, caller, 'register', { outcome: outcome.error, code: outcome.code });
      return answers.refuse(reply, outcome);
    }
    const { jkt, clientId, createdAt, expiresAt } = outcome.record;
    audit(request, caller, 'register', { outcome: outcome.status, jkt });
    return answers.send(reply, 200, {
      jkt,
      client_id: clientId,
      created_at: dateText(createdAt),
      expires_at: dateText(expiresAt),
      status: outcome.status,
    });
  });

  app.get(path, { onRequest, exposeHeadRoute: false }, async (request, reply) => {
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
    reply: FastifyReply,
    reason: RevocationReason,
  ): Promise<RegisteredKey | undefined> => {
    const caller = callers.of(request);
    const { jkt } = request.params;
    const record = await registrar.revoke(caller.clientId, jkt, reason);
    const act = reason === 'deleted' ? 'delete' : 'revoke';
    if (record === undefined) {
      audit(request, caller, act, { outcome: 'not_found' });
      answers.refuse(reply, refusal('not_found', 'this client has no key of that thumbprint'));
    } else audit(request, caller, act, { outcome: 'done', jkt, reason: record.revoked?.reason });
    return record;
  };

  app.delete<JktRoute>(`${path}/:jkt`, { onRequest }, async (request, reply) => {
    if ((await takeBack(request, reply, 'deleted')) !== undefined) answers.send(reply, 204);
    return reply;
  });

  app.post<JktRoute>(`${path}/:jkt/revoke`, { onRequest }, async (request, reply) => {
    const reason = reasonOf(memberOf(request.body, 'reason'));
    if (typeof reason !== 'string') return answers.refuse(reply, reason);
    const record = await takeBack(request, reply, reason);
    if (record !== undefined) answers.send(reply, 200, keyView(record));
    return reply;
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
  refusal('invalid_request', `send {"reason": "..."} with one of ${reasons.join(', ')}`);
