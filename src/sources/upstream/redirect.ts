import { isLoopback } from '../loopback.ts';
import { failure, type Failure } from './failure.ts';

/** Whether a URL is one that keys may be fetched from: https, or http where that is allowed. */
export const schemeAllowed = (url: URL, allowInsecureHttp: boolean): boolean =>
  url.protocol === 'https:' || (url.protocol === 'http:' && (allowInsecureHttp || isLoopback(url.hostname)));

/** The URL a redirect leads to, or why it is not followed: other hosts need `allowRedirectHosts`, https never becomes http. */
export const redirectTarget = (
  location: string,
  from: URL,
  start: URL,
  options: { readonly allowRedirectHosts: readonly string[]; readonly allowInsecureHttp: boolean },
): URL | Failure => {
  const target = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (location === '' || target === undefined)
    return failure('redirect_blocked', 'a redirect without a usable Location');
  target.hash = '';
  if (from.protocol === 'https:' && target.protocol !== 'https:') {
    return failure('redirect_blocked', `a redirect from https to ${target.protocol.slice(0, -1)}`);
  }
  if (target.origin === start.origin) return target;
  if (
    !options.allowRedirectHosts.includes(target.host) ||
    !schemeAllowed(target, options.allowInsecureHttp)
  ) {
    const known =
      target.protocol === 'https:' || target.protocol === 'http:'
        ? target.origin.slice(0, 100)
        : target.protocol;
    return failure('redirect_blocked', `a redirect to ${known}, which allowRedirectHosts does not name`);
  }
  target.username = '';
  target.password = '';
  return target;
};
