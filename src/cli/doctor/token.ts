import { JwksdError } from '../../errors.ts';
import type { CompactJws } from '../../tokens/jws.ts';
import { parseCompactJws } from '../../tokens/jws.ts';
import { readObject, type Members } from '../../tokens/json-object.ts';
import { verifySignature } from '../../tokens/signature.ts';
import type { KeyVerdict, Note } from './judgement.ts';
import type { ClientModel } from './model.ts';

/** A token taken apart, as far as a client looks at it. */
export interface TokenSeen {
  readonly jws: CompactJws;
  readonly alg: string;
  readonly kid: string | undefined;
  readonly typ: unknown;
  /** Undefined when the payload is not a JSON object. */
  readonly claims: Members | undefined;
}

/** What a client would make of the token with the keys it would take. */
export interface TokenVerdict {
  readonly accepted: boolean;
  /** The key that made the signature. */
  readonly by?: string;
  readonly notes: readonly Note[];
}

const longest = 64 * 1024;

/** Takes a token apart. @throws {JwksdError} `failed` for a text that is none. */
export const readToken = (text: string): TokenSeen => {
  const parsed = parseCompactJws(text.trim(), longest);
  if (!parsed.ok) {
    throw new JwksdError(
      'failed',
      `the token is not one that any client reads: ${parsed.detail}; copy it again, whole`,
    );
  }
  const { jws } = parsed;
  const { kid, typ } = jws.header;
  const payload = readObject(jws.payload);
  return {
    jws,
    alg: jws.alg,
    kid: typeof kid === 'string' ? kid : undefined,
    typ,
    claims: payload.ok ? payload.members : undefined,
  };
};

/** Verifies a token as the client would: its key choice, its order, its rules for claims. `now` in seconds. */
export const judgeToken = async (
  { token: rules }: Pick<ClientModel, 'token'>,
  token: TokenSeen,
  keys: readonly KeyVerdict[],
  now: number,
): Promise<TokenVerdict> => {
  const refusal = rules.refuse(token);
  if (refusal !== undefined) return { accepted: false, notes: [refusal] };
  const chosen = rules.choose(
    token,
    keys.filter((key) => key.taken),
    keys,
  );
  if ('level' in chosen) return { accepted: false, notes: [chosen] };
  for (const { key, label } of chosen) {
    if (key === undefined || !(await verifySignature(key, token.alg, token.jws))) continue;
    const notes = rules.claims(token, now);
    return { accepted: notes.every(({ level }) => level === 'warning'), by: label, notes };
  }
  return { accepted: false, notes: [await explain(rules.badSignature(token), token, keys)] };
};

/** Says which key it was, when the set has it and the client does not try it. */
const explain = async (note: Note, token: TokenSeen, keys: readonly KeyVerdict[]): Promise<Note> => {
  for (const { key, label, taken, why } of keys) {
    if (key === undefined || !(await verifySignature(key, token.alg, token.jws))) continue;
    if (!taken && why !== undefined)
      return {
        ...note,
        detail: `${note.detail}; ${label} made it, which the client cannot use (${why.code}): ${why.detail}`,
        next: why.next,
      };
    return {
      ...note,
      detail: `${note.detail}; ${label} made it, but the client does not try that key for this token`,
    };
  }
  return {
    ...note,
    detail: `${note.detail}; no key of this answer made it`,
    next: 'publish the public half of the key that signs',
  };
};

/** A claim that is a number, in seconds. */
export const secondsOf = (token: TokenSeen, name: string): number | undefined => {
  const value = token.claims?.[name];
  return typeof value === 'number' ? value : undefined;
};

/** That the token expired, in words; undefined when it has not, or never does. */
export const expired = (token: TokenSeen, now: number): string | undefined => {
  const exp = secondsOf(token, 'exp');
  return exp === undefined || exp > now ? undefined : `it expired ${Math.floor(now - exp)} s ago`;
};
