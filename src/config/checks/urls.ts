import type { Path } from '../problem.ts';
import type { Report } from '../validate.ts';
import { isLoopback } from './hosts.ts';

/**
 * Refuses what no URL of the configuration may have; answers whether it is sound.
 *
 * Messages never repeat the URL: what is refused here may be a password.
 */
export const checkUrl = (path: Path, text: string, report: Report): boolean => {
  if (!URL.canParse(text)) {
    report(path, 'must be a URL such as https://sso.example.org/certs');
    return false;
  }
  const url = new URL(text);
  // An empty user info ("https://@host") leaves no trace in the parsed URL.
  const authority = /^[a-z]+:\/\/([^/?#]*)/i.exec(text)?.[1] ?? '';
  if (url.username !== '' || url.password !== '' || authority.includes('@')) {
    report(
      path,
      path.at(-1) === 'proxy'
        ? 'must not hold a user name or password; give a proxy with credentials in HTTPS_PROXY'
        : 'must not hold a user name or password: URLs are logged; use bearerTokenFile or headers',
    );
    return false;
  }
  if (text.includes('#')) {
    report(path, 'must not have a fragment (#…): it is never sent to a server');
    return false;
  }
  return true;
};

/** Refuses plain http that leaves this machine, unless the source says otherwise. */
export const checkPlainHttp = (path: Path, text: string, allowed: boolean, report: Report): void => {
  if (allowed || !URL.canParse(text)) return;
  const url = new URL(text);
  if (url.protocol !== 'http:' || isLoopback(url.hostname)) return;
  report(
    path,
    'must be https: over plain http anybody between can replace the keys; inside a network you trust, set allowInsecureHttp: true for this source',
  );
};

/** Refuses a URL to which a secret would be sent in the clear. */
export const checkSecretUrl = (path: Path, text: string, report: Report): void => {
  if (!checkUrl(path, text, report)) return;
  const url = new URL(text);
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    report(path, 'must be https: over plain http anybody between can read the secret and change the answer');
  }
};
