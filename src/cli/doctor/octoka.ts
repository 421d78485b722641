import type { Outcome } from './ask.ts';
import { curveOrType, has, readSet, taken, type Entry } from './entries.ts';
import {
  error,
  inWords,
  quote,
  takesNothing,
  type Judgement,
  type KeyVerdict,
  type Note,
} from './judgement.ts';
import type { ClientModel } from './model.ts';
import { octokaToken } from './octoka-token.ts';

/**
 * The texts of Octoka: read in src/jwt/{jwks,crypto,keys,config}.rs and src/auth.rs of opencast/octoka, whose releases
 * up to 1.2 agree on them. Release 1.3 was not read; what is said of it is what is known of its behaviour.
 */
const source = 'Octoka, src/jwt';

const log = (text: string): ReturnType<typeof quote> => quote(`Error fetching JWKS: ${text}`, source);
const skipped = (text: string): ReturnType<typeof quote> =>
  quote(`key from JWKS invalid: ${text}`, `${source}, level debug`);
const notASet = log('could not deserialize JWKS response as valid JWKS');
const checkKeys = 'publish it with `jwksd serve` and profile opencast, which leaves such keys out';

type Version = '1.2' | '1.3';

const families: Readonly<Record<Version, ReadonlyMap<string, readonly string[]>>> = {
  '1.2': new Map([
    ['P-256', ['ES256']],
    ['P-384', ['ES384']],
    ['Ed25519', ['EdDSA']],
  ]),
  '1.3': new Map([
    ['P-256', ['ES256']],
    ['P-384', ['ES384']],
    ['P-521', ['ES512']],
    ['Ed25519', ['EdDSA']],
    ['RSA', ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
  ]),
};

/** Of the 20 s it gives a fetch, a request that waits for it has 2.5 s (JWT_VERIFY_TIMEOUT, src/auth.rs). */
const manner: ClientModel['manner'] = { headers: [], timeout: 2500, redirects: 0, limit: 64 * 1024 * 1024 };

/** Octoka in one version: whole sets fail easily, keys are skipped one by one. */
export const octoka = (version: Version): ClientModel => ({
  id: `octoka@${version}`,
  title: version === '1.2' ? 'Octoka 1.2 and older' : 'Octoka 1.3',
  manner,
  families: new Set(families[version].keys()),
  judge: (outcome, url) => judge(outcome, url, version),
  token: octokaToken(new Set([...families[version].values()].flat())),
});

const judge = (outcome: Outcome, url: URL, version: Version): Judgement => {
  const refused = refusedUrl(url) ?? (outcome.ok ? undefined : noAnswer(outcome));
  if (refused !== undefined) return takesNothing(refused);
  if (!outcome.ok) return { keys: [], notes: [] };
  const { status, headers } = outcome;
  if (status < 200 || status > 299) return takesNothing(badStatus(status, headers['location']));
  if (outcome.cut) {
    const says = log('failed to download HTTP body of JWKS');
    return takesNothing(
      error('cut-off', 'the connection broke off in the body', 'look for a proxy in between', says),
    );
  }
  if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity') {
    const detail = `the answer is compressed (${headers['content-encoding']}), which Octoka did not ask for`;
    return takesNothing(error('compressed', detail, 'compress only what asks for it', notASet));
  }
  const set = readSet(outcome.body, { byteOrderMark: false });
  const verdicts = set.entries.map((entry) => judgeEntry(entry, version));
  if (!set.ok) {
    return takesNothing(
      error(set.code, set.detail, 'serve a JWK Set: a plain JSON object with "keys"', notASet),
      verdicts,
    );
  }
  const killer = set.entries.map((entry) => killsSet(entry, version)).find((note) => note !== undefined);
  if (killer !== undefined) return takesNothing(killer, verdicts);
  const keys = withoutShadowed(verdicts);
  if (keys.some((key) => key.taken)) return { keys, notes: [] };
  const says = quote('JWKS URL had no valid keys', source);
  return {
    keys,
    notes: [error('no-usable-key', 'no key of the set is one Octoka can use', 'publish an ES256 key', says)],
  };
};

/** The rule of src/jwt/config.rs: the host as it stands in the URL, so `[::1]` with its brackets is not an address. */
const refusedUrl = (url: URL): Note | undefined => {
  if (url.protocol === 'https:') return undefined;
  if (url.hostname === 'localhost' || /^127\.\d+\.\d+\.\d+$/u.test(url.hostname)) return undefined;
  const next = 'put https in front, or run jwksd with server.tls';
  return error(
    'plain-http',
    'the URL is plain http, and the host is not localhost or 127.0.0.0/8',
    next,
    quote('must use HTTPS', `${source}, at start`),
  );
};

const noAnswer = ({ reason, detail, inBody }: Exclude<Outcome, { ok: true }>): Note => {
  if (reason === 'timeout') {
    const says = quote('could not verify JWT in time', 'Octoka, src/auth.rs, JWT_VERIFY_TIMEOUT=2.5s');
    return error(
      'slow',
      detail,
      'make the server answer faster: nobody waits for it longer than 2.5 s',
      says,
    );
  }
  if (inBody)
    return error(
      'cut-off',
      detail,
      'look for a proxy in between',
      log('failed to download HTTP body of JWKS'),
    );
  return error(
    'unreachable',
    detail,
    'check name, port, firewall and certificate',
    log('failed to fetch JWKS'),
  );
};

const badStatus = (status: number, location: string | undefined): Note => {
  const says = log('JWKS URL returned non 2xx-code');
  if (location === undefined)
    return error(
      'status',
      `the answer has status ${status}`,
      'Octoka forgets all keys of the URL then: answer 200 as long as there are any',
      says,
    );
  return error(
    'redirect',
    `the answer is a redirect (${status}), and Octoka follows none`,
    'write the URL it leads to into trusted_keys',
    says,
  );
};

/** What serde refuses: one such entry fails the whole document. */
const killsSet = (entry: Entry, version: Version): Note | undefined => {
  const kill = (code: string, detail: string): Note =>
    error(code, `${entry.label}: ${detail}, which fails the whole set`, checkKeys, notASet);
  const { members, kty } = entry;
  if (members === undefined) return kill('malformed-key', 'the entry is not an object');
  if (kty === undefined) return kill('malformed-key', 'the entry has no kty');
  if (!['RSA', 'oct', 'EC', 'OKP'].includes(kty))
    return version === '1.2'
      ? kill(kty === 'AKP' ? 'akp-key' : 'unsupported-kty', `kty ${JSON.stringify(kty)} is not known`)
      : undefined;
  for (const name of ['alg', 'kid']) {
    if (has(entry, name) && members[name] !== null && typeof members[name] !== 'string')
      return kill(name === 'kid' ? 'bad-kid' : 'malformed-key', `${name} is not a string`);
  }
  const use = members['use'] ?? undefined;
  if (use !== undefined && use !== 'sig' && use !== 'enc')
    return kill('malformed-key', '"use" is neither sig nor enc');
  if (kty !== 'EC' && kty !== 'OKP') return undefined;
  if (kty === 'EC' && typeof (members['y'] ?? '') !== 'string')
    return kill('malformed-key', 'y is not a string');
  const missing = ['crv', 'x'].filter((name) => typeof members[name] !== 'string');
  if (missing.length > 0) return kill('malformed-key', `${missing.join(' and ')} missing`);
  return undefined;
};

const judgeEntry = (entry: Entry, version: Version): KeyVerdict => {
  const why = whySkipped(entry, version);
  return why === undefined ? taken(entry) : { ...taken(entry), taken: false, why };
};

const not = (code: string, detail: string, text: string): Note =>
  error(code, detail, checkKeys, skipped(text));

const whySkipped = (entry: Entry, version: Version): Note | undefined => {
  const { members, kty, alg } = entry;
  const family = curveOrType(entry) ?? '';
  if (members?.['use'] === 'enc')
    return not('not-signature', 'use is not sig', "Field `use` of key is not 'sig'");
  if (kty === 'oct') return not('symmetric-key', 'a symmetric key', 'symmetric keys not supported');
  const algorithms = families[version].get(family);
  if (algorithms === undefined && kty === 'RSA')
    return not('unsupported-kty', `Octoka ${version} does not know RSA`, 'RSA keys not supported');
  if (algorithms === undefined && (kty === 'EC' || kty === 'OKP'))
    return not(
      'unsupported-crv',
      `Octoka ${version} does not know ${family}`,
      `Curve type '${family}' not supported`,
    );
  if (algorithms === undefined) {
    const does = inWords('the key is skipped', 'Octoka 1.3');
    return error(
      kty === 'AKP' ? 'akp-key' : 'unsupported-kty',
      `kty ${kty ?? '?'} is not known`,
      checkKeys,
      does,
    );
  }
  if (alg !== undefined && !algorithms.includes(alg)) {
    const code = alg === 'Ed25519' ? 'alg-ed25519' : 'alg-mismatch';
    const detail =
      alg === 'Ed25519' ? 'Octoka knows this algorithm as EdDSA only' : `alg ${alg} is not one of this key`;
    if (kty === 'RSA') return error(code, detail, checkKeys, inWords('the key is skipped', 'Octoka 1.3'));
    const named = family === 'Ed25519' ? 'Ed25519' : family;
    return not(code, detail, `curve type ${named} does not match 'alg' field Some(${JSON.stringify(alg)})`);
  }
  if (kty === 'EC' && typeof members?.['y'] !== 'string')
    return not('malformed-key', 'y is missing', `${family} curve missing y coordinate`);
  const padded = ['x', 'y'].find((name) => {
    const member = members?.[name];
    return typeof member === 'string' && !/^[\w-]*$/u.test(member);
  });
  if (padded !== undefined && kty !== 'RSA')
    return not('malformed-key', `${padded} is not base64url without padding`, 'invalid key');
  if (entry.key === undefined) {
    const name = family === 'Ed25519' ? 'ED25519' : algorithms[0];
    const detail = entry.rejection?.detail ?? 'the key cannot be read';
    const code = entry.rejection?.reason === 'weak_key' ? 'weak-key' : 'malformed-key';
    return kty === 'RSA'
      ? error(code, detail, 'replace the key', inWords('the key is skipped', 'Octoka 1.3'))
      : not(code, detail, `invalid key for algorithm ${name}`);
  }
  return undefined;
};

/** Keys live in a map by `kid`: of two with one name the last one stays. */
const withoutShadowed = (keys: readonly KeyVerdict[]): readonly KeyVerdict[] =>
  keys.map((key, index) => {
    const later = keys.slice(index + 1).some((other) => other.taken && other.kid === key.kid);
    if (!key.taken || key.kid === undefined || !later) return key;
    const says = inWords('the last key of a kid replaces those before it, silently', source);
    return {
      ...key,
      taken: false,
      why: error('duplicate-kid', 'a later key has the same kid', 'give each key a kid of its own', says),
    };
  });

/** Both versions that differ in what they take. */
export const octokas: readonly ClientModel[] = [octoka('1.2'), octoka('1.3')];
