import type { Answer, NoAnswer, Outcome } from './ask.ts';
import { has, readSet, taken, type Entry } from './entries.ts';
import {
  error,
  inWords,
  quote,
  takesNothing,
  warning,
  type Judgement,
  type KeyVerdict,
  type Note,
  type Said,
} from './judgement.ts';
import { jitsiToken } from './jitsi-token.ts';
import type { ClientModel } from './model.ts';

/**
 * The texts of Prosody's plugins: read in resources/prosody-plugins/{util,token/util,token/jwk}.lib.lua of
 * jitsi/jitsi-meet as of the release that made `cache_keys_url` take a JWK Set (pull request 16649, end of 2025).
 */
export const prosodySource = 'jitsi-meet, prosody-plugins';

/** Seconds for one try; a request that hangs is made four times, and then the login is lost. */
const patience = 30;

/** What Prosody sends, and how long one try takes. */
export const prosodyManner: ClientModel['manner'] = {
  headers: [['User-Agent', 'Prosody XMPP Server/0.12']],
  timeout: patience * 1000,
  redirects: 0,
  limit: 64 * 1024 * 1024,
};

/** Why a request of Prosody's gets nothing; it takes 200 and 204. */
export const prosodyRefuses = (outcome: Outcome, url: string): Note | undefined => {
  if (!outcome.ok) return noAnswer(outcome, url);
  const { status, headers } = outcome;
  const coding = headers['content-encoding'];
  if (status === 200 || status === 204) {
    if (coding === undefined || coding === 'identity') return undefined;
    const does = inWords('it takes the compressed bytes for the content, and keeps them', prosodySource);
    return error(
      'compressed',
      `the answer is compressed (${coding}), which Prosody did not ask for`,
      'compress only what asks for it',
      does,
    );
  }
  const says = quote(`Error on GET request: Code ${status}, Content …`, prosodySource);
  if (headers['location'] !== undefined && status > 299 && status < 400)
    return error(
      'redirect',
      `the answer is a redirect (${status}), and Prosody follows none`,
      'configure the URL it leads to',
      says,
    );
  return error('status', `the answer has status ${status}`, statusAdvice(status), says);
};

const statusAdvice = (status: number): string => {
  if (status === 404) return 'correct the path, or publish the RSA key of this kid';
  if (status === 409) return 'two keys have this kid: give them different ones';
  return status === 503 ? 'nothing is loaded yet: ask /readyz of jwksd' : 'look at the log of that server';
};

const noAnswer = ({ reason, detail }: NoAnswer, url: string): Note => {
  if (reason === 'timeout') {
    const says = quote(`Timeout ${patience} seconds making the external call to: ${url}`, prosodySource);
    return error(
      'slow',
      `${detail}; Prosody tries four times, then the login is lost`,
      'make the server answer',
      says,
    );
  }
  const says = quote('Error on GET request: Code 0, Content …', prosodySource);
  return error('unreachable', detail, 'check name, port, firewall and certificate', says);
};

const killed = inWords(
  'a Lua error, and the set is never refreshed again until Prosody restarts',
  prosodySource,
);
const next = 'publish it with `jwksd serve` and profile jitsi';

const judge = (outcome: Outcome, url: URL): Judgement => {
  const refused = prosodyRefuses(outcome, url.href);
  if (refused !== undefined || !outcome.ok)
    return refused === undefined ? { keys: [], notes: [] } : takesNothing(refused);
  const set = readSet(outcome.body, { byteOrderMark: false });
  const verdicts = set.entries.map(judgeEntry);
  if (!set.ok && set.code !== 'keys-missing')
    return takesNothing(
      error(set.code, set.detail, 'serve a JWK Set: a plain JSON object with "keys"', killed),
      verdicts,
    );
  if (!set.ok)
    return takesNothing(
      error(
        set.code,
        set.detail,
        'serve a JWK Set: a plain JSON object with "keys"',
        inWords('it finds no key, or a Lua error ends its refreshing', prosodySource),
      ),
    );
  for (const [name, member] of Object.entries(set.document)) {
    if (name !== 'keys' && typeof member !== 'string') {
      return takesNothing(
        error(
          'foreign-member',
          `the member ${JSON.stringify(name.slice(0, 64))} beside "keys" is not a string`,
          next,
          killed,
        ),
        verdicts,
      );
    }
  }
  const killer = set.entries.map(killsRefresher).find((note) => note !== undefined);
  if (killer !== undefined) return takesNothing(killer, verdicts);
  const keys = withoutShadowed(verdicts);
  const notes = refreshNotes(outcome);
  if (keys.some((key) => key.taken)) return { keys, notes };
  const says = quote('could not obtain public key', prosodySource);
  return {
    keys,
    notes: [
      ...notes,
      error(
        'no-usable-key',
        'no key of the set is an RSA key with a kid',
        'publish an RS256 key with a kid',
        says,
      ),
    ],
  };
};

/** `jwk_to_pem` reads `n` and `e` of every entry with a `kid`, whatever its type. */
const killsRefresher = (entry: Entry): Note | undefined => {
  const { members, label, kty } = entry;
  const kill = (code: string, detail: string): Note =>
    error(code, `${label}: ${detail}, which ends the refreshing of the whole set`, next, killed);
  if (members === undefined) return kill('malformed-key', 'the entry is not an object');
  if (!has(entry, 'kid') || members['kid'] === false) return undefined;
  const numbers = [members['n'], members['e']];
  if (numbers.every((each) => typeof each === 'string' && each !== '')) return undefined;
  return kty === 'RSA' || kty === undefined
    ? kill('malformed-key', 'n or e is missing or empty')
    : kill('not-rsa', `a key of type ${kty}`);
};

const judgeEntry = (entry: Entry): KeyVerdict => {
  const why = whyNot(entry);
  return why === undefined ? taken(entry) : { ...taken(entry), taken: why.level === 'warning', why };
};

const not = (code: string, detail: string, advice: string, does: Said): Note =>
  error(code, detail, advice, does);

const whyNot = ({ kty, kid, key, rejection, alg, members }: Entry): Note | undefined => {
  if (kty !== 'RSA')
    return not('not-rsa', 'Jitsi verifies with RSA keys only', next, inWords('see the set', prosodySource));
  if (kid === undefined)
    return not(
      'kid-missing',
      'a key without kid is passed over',
      'give the key a kid',
      inWords('nothing', prosodySource),
    );
  if (key === undefined) {
    if (rejection?.reason === 'weak_key' && /^RSA with \d/u.test(rejection.detail))
      return warning('rsa-too-small', rejection.detail, 'replace the key with one of 3072 bits');
    return not(
      'malformed-key',
      rejection?.detail ?? 'the key cannot be read',
      'replace the key',
      quote('Invalid signature', prosodySource),
    );
  }
  if (members?.['use'] === 'enc') return warning('not-signature', 'it is kept although use is enc', next);
  return alg === undefined || alg.startsWith('RS')
    ? undefined
    : warning(
        'alg-mismatch',
        `alg ${alg} is not looked at: only RS256 to RS512 are verified`,
        'sign with RS256',
      );
};

/** A later key takes the place of an earlier one of the same kid. */
const withoutShadowed = (keys: readonly KeyVerdict[]): readonly KeyVerdict[] =>
  keys.map((key, index) => {
    if (!key.taken || !keys.slice(index + 1).some((other) => other.taken && other.kid === key.kid))
      return key;
    const says = inWords('the last key of a kid replaces those before it, silently', prosodySource);
    return {
      ...key,
      taken: false,
      why: error('duplicate-kid', 'a later key has the same kid', 'give each key a kid of its own', says),
    };
  });

/** Seconds until Prosody asks again: the arithmetic of `update_keys_cache`. Undefined: no `max-age`, six hours. */
export const refreshAfter = (cacheControl: string | undefined): number | undefined => {
  // Lua's pattern (%w+)=(%w+): of `max-age=300` it sees `age=300`, and the last one counts.
  const found = [...(cacheControl ?? '').matchAll(/([A-Za-z0-9]+)=([A-Za-z0-9]+)/gu)].findLast(
    ([, name]) => name === 'age',
  );
  const seconds = found === undefined ? undefined : Number(found[2]);
  if (seconds === undefined || Number.isNaN(seconds)) return undefined;
  return seconds > 60 ? seconds - 60 : seconds;
};

const refreshNotes = ({ headers }: Answer): readonly Note[] => {
  const header = headers['cache-control'];
  const seconds = refreshAfter(header);
  const advice = 'send max-age=60, or 120 and more';
  if (seconds === 0)
    return [warning('cache-hostile', 'max-age=0 makes Prosody ask again at once, in a loop', advice)];
  if (seconds !== undefined && seconds < 60 && !/age=(?:[1-5]?\d)\b/u.test(header ?? ''))
    return [
      warning('short-refresh', `Prosody takes 60 s off this max-age and asks every ${seconds} s`, advice),
    ];
  if (seconds !== undefined) return [];
  const code = /no-store|no-cache/u.test(header ?? '') ? 'cache-hostile' : 'cache-missing';
  return [
    warning(
      code,
      'there is no max-age: Prosody asks every six hours, and misses a new key until then',
      advice,
    ),
  ];
};

/** Prosody with `cache_keys_url`: the whole set, fetched before anybody logs in. */
export const jitsiSet: ClientModel = {
  id: 'jitsi@set',
  title: 'Jitsi, cache_keys_url',
  manner: prosodyManner,
  families: new Set(['RSA']),
  judge,
  token: jitsiToken,
};
