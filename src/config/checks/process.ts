import type { Complete } from '../complete.ts';
import { parseDuration, parseSize } from '../durations.ts';
import type { Report } from '../validate.ts';
import { isCidr, isLoopback } from './hosts.ts';
import { checkUrl } from './urls.ts';

/** A token that can be guessed is as good as none. */
const shortToken = 16;

/** Judges the sections about the process: listeners, tokens, proxies, origins. */
export const checkProcess = (document: Complete, report: Report, warn: (text: string) => void): void => {
  const { server, ops, cors } = document;
  if ((parseDuration(server.requestTimeout) ?? 0) < 1000) {
    report(['server', 'requestTimeout'], 'must be at least 1s: a shorter one cuts off honest clients');
  }
  if ((parseSize(server.bodyLimit) ?? 0) < 1024) report(['server', 'bodyLimit'], 'must be at least 1KiB');
  if (server.publicUrl !== null && checkUrl(['server', 'publicUrl'], server.publicUrl, report)) {
    if (server.publicUrl.includes('?')) report(['server', 'publicUrl'], 'must not have a query');
  }
  if (Array.isArray(server.trustProxy)) {
    for (const [index, entry] of server.trustProxy.entries()) {
      if (!isCidr(entry)) {
        report(
          ['server', 'trustProxy', index],
          `must be an IP address or a CIDR such as 10.0.0.0/8, not "${entry}"`,
        );
      }
    }
  }
  if (Array.isArray(cors.origins)) {
    for (const [index, entry] of cors.origins.entries()) checkOrigin(index, entry, report);
  }
  if (!ops.enabled) return;
  if (ops.port !== 0 && ops.port === server.port && sameAddress(ops.host, server.host)) {
    report(['ops', 'port'], `is the port of the public listener too (${server.port}); choose another`);
  }
  if (ops.token === null && !isLoopback(ops.host)) {
    warn(
      `ops.host is ${ops.host}, not loopback, and ops.token is not set: metrics and status can be read there, ` +
        'every write is refused',
    );
  }
  if (ops.token !== null && ops.token.length < shortToken) {
    warn(`ops.token has fewer than ${shortToken} characters and can be guessed; use a long random one`);
  }
};

/** Hosts that take every address of the machine. */
const unspecified = new Set(['0.0.0.0', '::', '[::]']);

/** Whether two listeners on one port would want one address. */
const sameAddress = (left: string, right: string): boolean =>
  left === right || unspecified.has(left) || unspecified.has(right);

const checkOrigin = (index: number, entry: string, report: Report): void => {
  const at = ['cors', 'origins', index];
  if (entry === '*') {
    report(at, 'stands alone or not at all: write origins: "*"');
    return;
  }
  const url = URL.canParse(entry) ? new URL(entry) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    report(at, 'must be an origin: scheme, host and perhaps port, such as https://app.example.org');
  } else if (url.hostname.includes('*')) {
    report(at, 'must be one origin; patterns are not supported, list each origin or use "*"');
  } else if (url.origin !== entry) {
    report(at, `must be an origin as browsers send it: ${url.origin}`);
  }
};
