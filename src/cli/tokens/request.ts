import { formatDuration, parseDuration } from '../../config/durations.ts';
import { JwksdError } from '../../errors.ts';
import { parseJson } from '../../jwk/json.ts';
import { readKid } from '../../jwk/metadata.ts';
import type { HeaderRequest } from '../../tokens/mint.ts';
import type { TokenRequest } from '../../tokens/profiles/profile.ts';
import { isSet, text, texts, type Parsed } from '../command.ts';

const usage = (detail: string): JwksdError => new JwksdError('usage', detail);

/** What the options of `tokens create` ask for. @throws {JwksdError} `usage` for a value that cannot be. */
export const requestOf = (parsed: Parsed): TokenRequest & HeaderRequest => {
  const [subject, ...groups] = parsed.operands;
  if (parsed.operands.includes('')) throw usage('SUBJECT and GROUP cannot be empty');
  const course = text(parsed, 'course');
  const instructor = isSet(parsed, 'instructor');
  if (course !== undefined && !/^[\w-]{1,100}$/.test(course)) {
    throw usage(`--course ${JSON.stringify(course)} is not the number or short name of a course`);
  }
  if (instructor && course === undefined) throw usage('--instructor needs --course N');
  return {
    subject,
    groups,
    ttl: ttlOf(text(parsed, 'ttl')),
    issuer: notEmpty(parsed, 'iss'),
    audience: texts(parsed, 'aud'),
    events: eventsOf(texts(parsed, 'event')),
    room: notEmpty(parsed, 'room'),
    course,
    instructor,
    claims: claimsOf(texts(parsed, 'claim')),
    alg: text(parsed, 'alg'),
    kid: kidOf(text(parsed, 'kid')),
  };
};

const notEmpty = (parsed: Parsed, name: string): string | undefined => {
  const value = text(parsed, name);
  if (value === '') throw usage(`--${name} cannot be empty`);
  return value;
};

const ttlOf = (given: string | undefined): number | undefined => {
  if (given === undefined) return undefined;
  const milliseconds = parseDuration(given);
  if (milliseconds === undefined)
    throw usage(`--ttl ${JSON.stringify(given)} is not a time such as 15s, 8h or 30d`);
  if (milliseconds < 1000 || milliseconds % 1000 !== 0) {
    throw usage(`--ttl ${formatDuration(milliseconds)}: dates of tokens are whole seconds, from 1s on`);
  }
  return milliseconds / 1000;
};

const kidOf = (given: string | undefined): string | undefined => {
  if (given === undefined) return undefined;
  const read = readKid(() => given);
  if ('reason' in read || read.kid === undefined) {
    throw usage('--kid: a kid has 1 to 1024 bytes and no control characters');
  }
  return read.kid;
};

const eventsOf = (given: readonly string[]): ReadonlyMap<string, readonly string[]> => {
  const events = new Map<string, readonly string[]>();
  for (const each of given) {
    const [, id, list] = /^(\S+):([^:]*)$/u.exec(each) ?? [];
    const actions = list?.split(',') ?? [];
    if (id === undefined || !actions.every((action) => /^[\w-]{1,64}$/.test(action))) {
      throw usage(`--event ${JSON.stringify(each)} is not ID:ACTION, such as ID:read or ID:read,write`);
    }
    if (id.startsWith('e:')) throw usage(`--event ${each}: give the bare ID, "e:" is put in front of it`);
    events.set(id, [...new Set([...(events.get(id) ?? []), ...actions])]);
  }
  return events;
};

const claimsOf = (given: readonly string[]): ReadonlyMap<string, unknown> => {
  const claims = new Map<string, unknown>();
  for (const each of given) {
    const at = each.indexOf('=');
    const name = each.slice(0, at);
    if (at < 1) throw usage(`--claim ${JSON.stringify(each)} is not NAME=VALUE`);
    if (claims.has(name))
      throw usage(`--claim ${name} is there twice; a list is written ${name}='["a","b"]'`);
    if (name === 'exp') throw usage('--claim exp: say with --ttl how long the token is valid');
    claims.set(name, claimValue(name, each.slice(at + 1)));
  }
  return claims;
};

class InexactNumber extends Error {}

/** Whole numbers this large are rounded when they are read (RFC 8259 §6), and then something else would be signed. */
const refuseInexact = (_name: string, value: unknown): unknown => {
  if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) throw new InexactNumber();
  return value;
};

/** JSON where it reads as JSON, so that numbers and lists can be written; everything else is text. */
const claimValue = (name: string, given: string): unknown => {
  try {
    JSON.parse(given);
  } catch {
    return given;
  }
  if (!parseJson(`{"claim":${given}}`).ok) {
    throw usage(`--claim ${name}: it nests deeper than the 64 levels a token may have; make it flatter`);
  }
  try {
    return JSON.parse(given, refuseInexact);
  } catch (error) {
    if (!(error instanceof InexactNumber)) throw error;
    const asText = /^-?\d/u.test(given) ? `: ${name}='"${given}"'` : ', in quotes';
    throw usage(
      `--claim ${name}: a number beyond ±9007199254740991 would be changed; write it as text${asText}`,
    );
  }
};
