import path from 'node:path';
import type { Complete } from '../complete.ts';
import { parseDuration, parseSize } from '../durations.ts';
import type { Report } from '../validate.ts';
import { checkPlainHttp, checkUrl } from './urls.ts';

type Source = Complete['sources'][string];
type Files = Extract<Source, { type: 'files' }>;
type Upstream = Exclude<Source, { type: 'files' }>;

/** Durations of an upstream below which it would be asked without pause, or never answered in time. */
const floors = [
  'refreshMin',
  'refreshInterval',
  'refreshMax',
  'maxStale',
  'totalTimeout',
  'connectTimeout',
] as const;

/** Headers that jwksd or the connection itself decides about. */
const ownHeaders = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'te',
  'upgrade',
  'expect',
  'accept-encoding',
  'if-none-match',
  'if-modified-since',
]);

const milliseconds = (text: string): number => parseDuration(text) ?? 0;

/** Judges every source by itself. */
export const checkSources = (document: Complete, report: Report, warn: (text: string) => void): void => {
  const generated = new Map<string, string>();
  for (const [name, source] of Object.entries(document.sources)) {
    if (source.type === 'files') checkFiles(name, source, generated, report);
    else checkUpstream(name, source, report, warn);
  }
};

const checkFiles = (name: string, source: Files, generated: Map<string, string>, report: Report): void => {
  const at = ['sources', name];
  if (milliseconds(source.poll) < 1000) report([...at, 'poll'], 'must be at least 1s');
  if (source.generateIfEmpty === null) return;
  const { dir } = source.generateIfEmpty;
  const outputs = path.join(dir, 'outputs');
  if (source.path !== outputs) {
    report(
      [...at, 'generateIfEmpty', 'dir'],
      `puts the public key into ${outputs}, which this source does not read; path must be that directory`,
    );
  }
  const other = generated.get(dir);
  if (other !== undefined) {
    report(
      [...at, 'generateIfEmpty', 'dir'],
      `is also that of source ${other}; give each source a directory of its own`,
    );
  }
  generated.set(dir, name);
};

const checkUpstream = (
  name: string,
  source: Upstream,
  report: Report,
  warn: (text: string) => void,
): void => {
  const at = ['sources', name];
  const urls =
    source.type === 'jwks' ? { url: source.url } : { issuer: source.issuer, jwksUri: source.jwksUri };
  for (const [key, text] of Object.entries(urls)) {
    if (text !== null && checkUrl([...at, key], text, report)) {
      checkPlainHttp([...at, key], text, source.allowInsecureHttp, report);
    }
  }
  if (source.type === 'oidc' && source.issuer.includes('?')) {
    report(
      [...at, 'issuer'],
      "must not have a query (OpenID Connect Discovery §3); for a JWK Set's URL use type: jwks",
    );
  }
  if (source.proxy !== null) checkUrl([...at, 'proxy'], source.proxy, report);

  for (const key of floors) {
    if (milliseconds(source[key]) < 1000) report([...at, key], 'must be at least 1s');
  }
  if (milliseconds(source.refreshMin) > milliseconds(source.refreshMax)) {
    report(
      [...at, 'refreshMin'],
      `is ${source.refreshMin}, more than refreshMax, ${source.refreshMax}; lower the one or raise the other`,
    );
  }
  if ((parseSize(source.maxBody) ?? 0) < 1024) report([...at, 'maxBody'], 'must be at least 1KiB');
  checkHeaders(name, source, report);

  if (source.allowInsecureHttp)
    warn(`sources.${name}.allowInsecureHttp is on: plain http is used off loopback`);
  if (source.allowRedirectHosts.length > 0) {
    warn(
      `sources.${name}.allowRedirectHosts lets these hosts decide about keys: ${source.allowRedirectHosts.join(', ')}`,
    );
  }
};

const checkHeaders = (name: string, source: Upstream, report: Report): void => {
  const seen = new Set<string>();
  for (const header of Object.keys(source.headers)) {
    const at = ['sources', name, 'headers', header];
    const lower = header.toLowerCase();
    if (ownHeaders.has(lower)) report(at, 'is a header jwksd sets itself; leave it out');
    if (seen.has(lower)) report(at, 'is given twice; header names know no upper and lower case');
    seen.add(lower);
    if (lower === 'authorization' && source.bearerTokenFile !== null) {
      report(at, 'is a secret given twice: bearerTokenFile sets it too; keep one');
    }
  }
};
