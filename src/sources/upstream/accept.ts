import type { Clock } from '../../clock.ts';
import type { Key, ParsedSet } from '../../jwk/key.ts';
import { admitEntries, decodeJwkSet } from '../../jwk/parse-set.ts';
import { namesOf } from '../changes.ts';
import type { Generation, RetiringKey } from '../key-cache.ts';
import { paced } from '../pace.ts';
import type { Answer } from './attempt.ts';
import { failure, type Failure } from './failure.ts';
import { headerText } from './freshness.ts';

/** A body that holds at least one usable key. */
export interface Candidate {
  readonly ok: true;
  readonly parsed: ParsedSet;
}

/** A body that was read and refused, with what was found in it. */
export type Refusal = Failure & { readonly parsed?: ParsedSet };

/** Judges the body of a 200: media type, encoding, JSON, and each key alone. */
export const readCandidate = async (answer: Answer, maxKeys: number): Promise<Candidate | Refusal> => {
  const mediaType = headerText(answer.headers, 'content-type').split(';')[0]?.trim().toLowerCase();
  if (mediaType === 'text/html') return failure('html', 'the answer is a web page, not a JWK Set');
  const decoded = await paced(decodeJwkSet(answer.body));
  if (!decoded.ok) return failure(decoded.code, decoded.detail);
  if (decoded.entries.length === 0) return failure('empty_set', 'the set holds no keys');
  const parsed = await paced(admitEntries(decoded.entries, { origin: 'upstream', maxKeys }));
  if (parsed.keys.length > 0) return { ok: true, parsed };
  return { ...failure('no_usable_keys', `none of ${decoded.entries.length} keys is usable`), parsed };
};

/**
 * The generation that follows `previous` when an upstream lists `listed`.
 *
 * Additions and changed material count at once. A key that is no longer listed stays, retiring, until a confirming
 * answer lacks it too at least `removalConfirm` milliseconds later: providers behind a load balancer answer with an
 * older set now and then. A `kid` that names new material gives up the old at once, for it can only name one. Of an
 * upstream that answers each request with another set, no more than `maxKeys` stay, the latest. Yields after each key.
 */
export function* nextGeneration(
  previous: Generation | undefined,
  listed: readonly Key[],
  from: { readonly url: URL; readonly answer: Answer },
  options: {
    readonly clock: Clock;
    readonly removalConfirm: number;
    readonly confirming: boolean;
    readonly maxKeys: number;
  },
): Generator<void, Generation, void> {
  const { url, answer } = from;
  const now = options.clock.now();
  const had = yield* namesOf(previous?.keys ?? []);
  // Only material that is new under a name displaces the old: of two keys of one name, one may be missing by mistake.
  const renewedKids = new Set(listed.filter((key) => !had.has(key.name)).map((key) => key.jwk.kid));
  yield;
  const listedNames = yield* namesOf(listed);
  const retiring: RetiringKey[] = [];
  const since = new Map(previous?.retiring.map((entry) => [entry.key, entry.since]));
  for (const key of previous?.keys ?? []) {
    yield;
    const { kid } = key.jwk;
    if (listedNames.has(key.name) || (kid !== undefined && renewedKids.has(kid))) continue;
    const first = since.get(key);
    const confirmed = first !== undefined && options.confirming && now - first >= options.removalConfirm;
    // Those listed until now come first, so what is beyond the limit is what retired longest ago.
    if (!confirmed && retiring.length < options.maxKeys) retiring.push({ key, since: first ?? now });
  }
  const keys = [...listed, ...retiring.map(({ key }) => key)];
  const unchanged =
    previous !== undefined &&
    previous.keys.length === keys.length &&
    previous.keys.every((key, index) => key.json === keys[index]?.json);
  return {
    url: url.href,
    retiring,
    keys: unchanged ? previous.keys : keys,
    etag: headerText(answer.headers, 'etag') || undefined,
    lastModified: headerText(answer.headers, 'last-modified') || undefined,
  };
}
