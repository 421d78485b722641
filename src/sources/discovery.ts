import type { Clock } from '../clock.ts';
import type { Log } from './source.ts';
import type { Answer, Ask } from './upstream/attempt.ts';
import { failure, type Failure } from './upstream/failure.ts';
import { schemeAllowed } from './upstream/redirect.ts';

/** What finding the keys depends on at the moment it is tried. */
export interface Search {
  /** Cycles in a row that brought no keys. */
  readonly failed: number;
  /** Keys are held, so a search can wait. */
  readonly hasKeys: boolean;
  /** A client waits for the keys. */
  readonly demand: boolean;
  /** Counts a search that failed without failing the attempt, by its code. */
  readonly count: (code: string) => void;
  readonly send: (url: URL, ask: Ask) => Promise<Answer | Failure>;
  readonly signal: AbortSignal;
}

/** Tells where the keys of an upstream are: candidates in the order they should be tried. */
export interface Locator {
  /** Never empty. */
  locate(search: Search): Promise<{ readonly ok: true; readonly urls: readonly URL[] } | Failure>;
  /** Says that `url` yielded usable keys. */
  confirm(url: URL): void;
  /**
   * Says that `url` did not; true when another one is known that did, so that this failure is not the upstream's.
   */
  missed(url: URL, why: Failure): boolean;
  /** Says that `url` yielded usable keys before this process began; ignored where it would not be accepted today. */
  remember(url: string): void;
}

/** A `jwks_uri` that is known from the configuration. */
export const fixedLocator = (url: URL): Locator => ({
  locate: () => Promise.resolve({ ok: true, urls: [url] }),
  confirm: () => undefined,
  missed: () => false,
  remember: () => undefined,
});

/** What makes one discovery differ from another. */
export interface DiscoveryOptions {
  readonly issuer: string;
  /** Plain http to other hosts than loopback. */
  readonly allowInsecureHttp: boolean;
  /** The source's name, for the log. */
  readonly source: string;
  readonly clock: Clock;
  readonly log: Log;
}

const documentLimit = 256 * 1024;
const rediscoverAfter = 3_600_000;
const retryAfterwards = 300_000;
/** Within a cycle, and from one cycle to the next that a client asked for, the document does not change. */
const settled = 30_000;

/** Where an issuer publishes its metadata (OpenID Connect Discovery 1.0 §4): a trailing slash of the issuer is dropped first. */
export const discoveryUrl = (issuer: string): URL =>
  new URL(`${issuer.replace(/\/$/u, '')}/.well-known/openid-configuration`);

/** A URL fit for the log: origin and path, bounded. */
const shown = (url: URL): string => `${url.origin}${url.pathname}`.slice(0, 200);

/**
 * Finds the `jwks_uri` of an OIDC issuer, hourly, after two failed cycles, and every 5 minutes while they or the search
 * itself fail, or every cycle as long as there are no keys.
 *
 * The document must name exactly the configured issuer (§4.3). A new `jwks_uri` is tried first, but the old one is kept
 * until the new one has yielded usable keys: a wrong deployment at the provider must not cost good keys. One that failed
 * is tried again every 5 minutes while the old one works, and never on behalf of a client. What fails while a `jwks_uri`
 * is known fails no attempt: it is counted, and logged when it begins to fail and when it is back.
 */
export class Discovery implements Locator {
  readonly #options: DiscoveryOptions;
  #confirmed: URL | undefined;
  #found: URL | undefined;
  #askedAt = -Infinity;
  /** What asked to be left alone is not asked before this. */
  #notBefore = { document: -Infinity, found: -Infinity };
  /** When `#found` failed last; absent when it did not. */
  #foundMissedAt: number | undefined;
  /** The last search failed. */
  #failing = false;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  async locate(search: Search): Promise<{ readonly ok: true; readonly urls: readonly URL[] } | Failure> {
    if (this.#due(search)) {
      this.#askedAt = this.#options.clock.now();
      const found = await this.#discover(search);
      if (found instanceof URL) this.#follow(found);
      else if (this.#known === undefined) return found;
      else if (!search.signal.aborted) this.#noDocument(found, search);
    }
    return { ok: true, urls: this.#candidates(search) };
  }

  confirm(url: URL): void {
    if (this.#foundMissedAt !== undefined && url.href === this.#found?.href) {
      this.#options.log.info({ source: this.#options.source, to: shown(url) }, 'the new jwks_uri is in use');
      this.#foundMissedAt = undefined;
    }
    this.#confirmed = url;
  }

  missed(url: URL, { code, detail, retryAfter = 0 }: Failure): boolean {
    const { clock, log, source } = this.#options;
    if (this.#confirmed === undefined || url.href === this.#confirmed.href) return false;
    if (this.#foundMissedAt === undefined)
      log.warn({ source, code, to: shown(url) }, `the new jwks_uri failed, the known one is kept: ${detail}`);
    this.#foundMissedAt = clock.now();
    this.#notBefore.found = clock.now() + retryAfter;
    return true;
  }

  remember(url: string): void {
    const judged = URL.canParse(url) ? this.#judge(new URL(url)) : undefined;
    if (judged instanceof URL) this.#confirmed ??= judged;
  }

  get #known(): URL | undefined {
    return this.#found ?? this.#confirmed;
  }

  /** Where to ask, the first first. Never empty once something is known. */
  #candidates({ failed, demand }: Search): readonly URL[] {
    const [found, confirmed] = [this.#found, this.#confirmed];
    if (found === undefined || confirmed === undefined || found.href === confirmed.href)
      return [found ?? confirmed].filter((url) => url !== undefined);
    const now = this.#options.clock.now();
    const missedLately = now - (this.#foundMissedAt ?? -Infinity) < retryAfterwards;
    // While the known one fails too, either may be the one that comes back.
    if (now < this.#notBefore.found || (failed === 0 && missedLately)) return [confirmed];
    return demand ? [confirmed, found] : [found, confirmed];
  }

  #due({ failed, hasKeys, demand }: Search): boolean {
    if (this.#known === undefined) return true;
    // What a client waits for is most likely where the keys have been all the time.
    if (demand && this.#confirmed !== undefined) return false;
    if (this.#options.clock.now() < this.#notBefore.document) return false;
    // Nobody is served yet, and the document may be what is wrong: it is asked for as often as the keys.
    if (failed >= 2 && !hasKeys) return true;
    // Two failures may mean that the keys have moved; a longer outage is not made worse by asking twice as often.
    const interval = this.#failing || failed > 2 ? retryAfterwards : rediscoverAfter;
    const since = this.#options.clock.now() - this.#askedAt;
    return since >= interval || (failed === 2 && since >= settled);
  }

  #follow(found: URL): void {
    const { log, source } = this.#options;
    const before = this.#known;
    if (before !== undefined && before.href !== found.href) {
      log.info({ source, from: shown(before), to: shown(found) }, 'the issuer names another jwks_uri');
    }
    if (this.#failing) log.info({ source }, 'discovery is back');
    this.#failing = false;
    if (found.href === this.#found?.href) return;
    this.#found = found;
    this.#foundMissedAt = undefined;
    this.#notBefore.found = -Infinity;
  }

  #noDocument({ code, detail, retryAfter = 0 }: Failure, { count }: Search): void {
    const { clock, log, source } = this.#options;
    count(code);
    this.#notBefore.document = clock.now() + retryAfter;
    if (!this.#failing) log.warn({ source, code }, `discovery failed, the known jwks_uri is kept: ${detail}`);
    this.#failing = true;
  }

  async #discover({ send }: Search): Promise<URL | Failure> {
    const { issuer } = this.#options;
    const answer = await send(discoveryUrl(issuer), { accept: 'application/json', maxBody: documentLimit });
    if (!answer.ok) return failure('discovery_fetch', `discovery: ${answer.detail}`, answer);
    let document: unknown;
    try {
      document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(answer.body));
    } catch {
      return failure('discovery_json', 'the discovery document is not JSON');
    }
    const member = (name: string): unknown =>
      typeof document === 'object' && document !== null && Object.hasOwn(document, name)
        ? Reflect.get(document, name)
        : undefined;
    if (member('issuer') !== issuer) {
      return failure('discovery_issuer', `the discovery document names another issuer than ${issuer}`);
    }
    const text = member('jwks_uri');
    if (typeof text !== 'string' || !URL.canParse(text)) {
      return failure('discovery_no_jwks_uri', 'the discovery document has no usable jwks_uri');
    }
    return this.#judge(new URL(text));
  }

  #judge(url: URL): URL | Failure {
    const { issuer, allowInsecureHttp } = this.#options;
    const downgraded = issuer.startsWith('https:') && url.protocol !== 'https:';
    if (downgraded || !schemeAllowed(url, allowInsecureHttp) || url.username !== '' || url.password !== '') {
      return failure(
        'discovery_no_jwks_uri',
        `the jwks_uri is not one keys may be fetched from (${url.protocol})`,
      );
    }
    url.hash = '';
    return url;
  }
}
