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

/**
 * Refuses the URL of a database that would be taken apart at another place than its writer meant.
 *
 * A `#`, `/` or `?` in a password ends the host there; a `%` begins an escape.
 */
export const checkDatabaseUrl = (path: Path, text: string, report: Report): void => {
  if (isDatabaseUrl(text)) return;
  report(
    path,
    'must be a URL such as postgres://user:password@host:5432/database, with every character of the user name and the password that is no letter and no digit percent-encoded: # is %23, / is %2F, ? is %3F, @ is %40, % is %25',
  );
};

const isDatabaseUrl = (text: string): boolean => {
  // Without a host there is a user alone before the path: the host is a parameter, or the socket of the default.
  const withHost = text.replace('@/', '@localhost/');
  if (!URL.canParse(withHost) || text.includes('#')) return false;
  const { username, password, host, pathname, search } = new URL(withHost);
  if (pathname.includes('@') || (username === '' && pathname === '' && search.includes('@'))) return false;
  try {
    for (const part of [username, password, host, pathname]) decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
};
