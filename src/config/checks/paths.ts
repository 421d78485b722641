import type { Complete } from '../complete.ts';
import { noncePathOf } from '../resolve/registration.ts';
import { formatPath, type Path } from '../problem.ts';
import type { Report } from '../validate.ts';

/** Paths with a meaning of their own. */
const reserved: readonly (readonly [path: string, meaning: string])[] = [
  ['/livez', 'the probes'],
  ['/readyz', 'the probes'],
  ['/healthz', 'the probes'],
  ['/sets', 'the documents of every set by name'],
  ['/validate', 'token validation'],
  ['/introspect', 'token validation'],
  ['/tokenreview', 'token validation'],
];

/** What is wrong with the spelling of a path; undefined when nothing is. */
const fault = (path: string): string | undefined => {
  if (!path.startsWith('/')) return `must start with "/": /${path.slice(0, 60)}`;
  if (path.includes('?') || path.includes('#'))
    return 'must not have a query or a fragment: they are no part of a path';
  if (path.includes('%')) return 'must not have a percent sign: clients and proxies decode it differently';
  if (path.includes('//')) return 'must not have "//": it is collapsed before the path is looked up';
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) {
    return 'must not have a segment "." or "..": clients take it out before they ask';
  }
  if (!/^[A-Za-z0-9._~@+=,/-]+$/.test(path)) return 'must be of A-Z a-z 0-9 . _ ~ @ + = , - and "/"';
  return undefined;
};

/** Judges every path of every set, and refuses two documents in one place. */
export const checkPaths = (document: Complete, report: Report): void => {
  const documents = new Map<string, Path>();
  const pems = new Map<string, Path>();
  if (document.server.landingPage) documents.set('/', ['server', 'landingPage']);

  const below = new Map(reserved);
  const place = (taken: Map<string, Path>, path: string, at: Path): boolean => {
    const wrong = fault(path);
    if (wrong !== undefined) {
      report(at, wrong);
      return false;
    }
    for (const [each, meaning] of below) {
      if (path !== each && !path.startsWith(`${each}/`)) continue;
      report(at, `is ${each} or below it, which is for ${meaning}; choose another path`);
      return false;
    }
    const other = taken.get(path);
    if (other === undefined) {
      taken.set(path, at);
      return true;
    }
    report(
      at,
      other[0] === 'server'
        ? `is the landing page; choose another path, or set server.landingPage: false`
        : `is ${path}, which ${formatPath(other.slice(0, 2))} has already; one path leads to one set`,
    );
    return false;
  };

  const { registration } = document;
  if (registration !== null && place(documents, registration.path, ['registration', 'path'])) {
    below.set(registration.path, 'the registration of keys');
    place(documents, noncePathOf(registration.path), ['registration', 'path']);
  }
  for (const [name, set] of Object.entries(document.sets)) {
    for (const [index, path] of set.paths.entries()) place(documents, path, ['sets', name, 'paths', index]);
    for (const [index, path] of set.pem.paths.entries())
      place(pems, path, ['sets', name, 'pem', 'paths', index]);
  }
  // A document may lie below a PEM path, but not under a name that is a kid digest's.
  for (const [path, at] of documents) {
    const [, directory = '', file = ''] = /^(.*)\/([^/]*)$/.exec(path) ?? [];
    if (/^[0-9a-f]{64}\.pem$/i.test(file) && pems.has(directory === '' ? '/' : directory)) {
      report(at, 'is where a PEM of another path is served; choose another path');
    }
  }
};
