import type { Clock } from '../clock.ts';
import type { Requester } from './upstream/attempt.ts';
import { failure, type Failure } from './upstream/failure.ts';
import { schemeAllowed } from './upstream/redirect.ts';

/** Tells where the keys of an upstream are: candidates in the order they should be tried. */
export interface Locator {
  /** Never empty; `failed` counts the cycles in a row that brought no keys. */
  locate(
    failed: number,
    signal: AbortSignal,
  ): Promise<{ readonly ok: true; readonly urls: readonly URL[] } | Failure>;
  /** Says that `url` yielded usable keys. */
  confirm(url: URL): void;
}

/** A `jwks_uri` that is known from the configuration. */
export const fixedLocator = (url: URL): Locator => ({
  locate: () => Promise.resolve({ ok: true, urls: [url] }),
  confirm: () => undefined,
});

const documentLimit = 256 * 1024;
const rediscoverAfter = 3_600_000;
const retryAfterwards = 300_000;

/** Where an issuer publishes its metadata (OpenID Connect Discovery 1.0 §4): a trailing slash of the issuer is dropped first. */
export const discoveryUrl = (issuer: string): URL =>
  new URL(`${issuer.replace(/\/$/u, '')}/.well-known/openid-configuration`);

/**
 * Finds the `jwks_uri` of an OIDC issuer, hourly, after two failed cycles, and every 5 minutes while they fail, or every
 * cycle as long as no keys were ever found.
 *
 * The document must name exactly the configured issuer (§4.3). A new `jwks_uri` is tried first, but the old one is kept
 * until the new one has yielded usable keys: a wrong deployment at the provider must not cost good keys.
 */
export class Discovery implements Locator {
  readonly #issuer: string;
  readonly #requester: Pick<Requester, 'send'>;
  readonly #clock: Clock;
  readonly #allowInsecureHttp: boolean;
  #confirmed: URL | undefined;
  #found: URL | undefined;
  #foundAt = -Infinity;
  #askedAt = -Infinity;

  constructor(issuer: string, requester: Pick<Requester, 'send'>, clock: Clock, allowInsecureHttp: boolean) {
    this.#issuer = issuer;
    this.#requester = requester;
    this.#clock = clock;
    this.#allowInsecureHttp = allowInsecureHttp;
  }

  async locate(
    failed: number,
    signal: AbortSignal,
  ): Promise<{ readonly ok: true; readonly urls: readonly URL[] } | Failure> {
    if (this.#due(failed)) {
      this.#askedAt = this.#clock.now();
      const found = await this.#discover(signal);
      if (found instanceof URL) {
        this.#found = found;
        this.#foundAt = this.#clock.now();
      } else if (this.#found === undefined) {
        return found;
      }
    }
    const urls = [this.#found, this.#confirmed].filter((url) => url !== undefined);
    return { ok: true, urls: urls.filter((url, index) => index === 0 || url.href !== urls[0]?.href) };
  }

  confirm(url: URL): void {
    this.#confirmed = url;
  }

  #due(failed: number): boolean {
    const now = this.#clock.now();
    if (this.#found === undefined) return true;
    // Nobody is served yet, and the document may be what is wrong: it is asked for as often as the keys.
    if (this.#confirmed === undefined) return failed >= 2;
    // Two failures may mean that the keys have moved; a longer outage is not made worse by asking twice as often.
    if (failed >= 2) return failed === 2 || now - this.#askedAt >= retryAfterwards;
    return now - this.#foundAt >= rediscoverAfter;
  }

  async #discover(signal: AbortSignal): Promise<URL | Failure> {
    const ask = { accept: 'application/json', maxBody: documentLimit };
    const answer = await this.#requester.send(discoveryUrl(this.#issuer), ask, signal);
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
    if (member('issuer') !== this.#issuer) {
      return failure('discovery_issuer', `the discovery document names another issuer than ${this.#issuer}`);
    }
    const text = member('jwks_uri');
    if (typeof text !== 'string' || !URL.canParse(text)) {
      return failure('discovery_no_jwks_uri', 'the discovery document has no usable jwks_uri');
    }
    return this.#judge(new URL(text));
  }

  #judge(url: URL): URL | Failure {
    const downgraded = this.#issuer.startsWith('https:') && url.protocol !== 'https:';
    if (
      downgraded ||
      !schemeAllowed(url, this.#allowInsecureHttp) ||
      url.username !== '' ||
      url.password !== ''
    ) {
      return failure(
        'discovery_no_jwks_uri',
        `the jwks_uri is not one keys may be fetched from (${url.protocol})`,
      );
    }
    url.hash = '';
    return url;
  }
}
