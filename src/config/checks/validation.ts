import { fileURLToPath } from 'node:url';
import type { Complete } from '../complete.ts';
import { okeraSet } from '../config.ts';
import { parseDuration } from '../durations.ts';
import { didYouMean } from '../near-miss.ts';
import type { Path } from '../problem.ts';
import type { Report } from '../validate.ts';
import { isLoopback } from './hosts.ts';
import { checkSecretUrl } from './urls.ts';

type Validation = NonNullable<Complete['validation']>;

const root = ['validation'];

/** Judges the section `validation`. */
export const checkValidation = (document: Complete, report: Report, warn: (text: string) => void): void => {
  const { validation } = document;
  if (validation === null) return;
  const { okera, issuers } = validation;
  const okeraKeys = okera !== null && okera.publicKeys.length > 0;
  if (okera !== null) checkOkera(okera, report);
  if (Object.keys(issuers).length === 0 && !okeraKeys && (okera?.authenticationServerUrl ?? null) === null) {
    report([...root, 'issuers'], 'must hold at least one issuer: without one no token is valid');
  }
  for (const reserved of [
    ...Object.keys(document.sources).map((name) => ['sources', name]),
    ...Object.keys(document.sets).map((name) => ['sets', name]),
  ]) {
    if (okeraKeys && reserved[1]?.startsWith(okeraSet) === true) {
      report(reserved, `is a name for the keys of validation.okera; choose another`);
    }
  }
  checkIssuers(issuers, [...Object.keys(document.sets), ...(okeraKeys ? [okeraSet] : [])], report, warn);
  checkGroups(validation.groups, report);
  if (validation.introspection !== null && Object.keys(validation.introspection.clients).length === 0) {
    report(
      [...root, 'introspection', 'clients'],
      'must hold at least one client: without one nobody may ask',
    );
  }
};

const checkIssuers = (
  issuers: Validation['issuers'],
  sets: readonly string[],
  report: Report,
  warn: (text: string) => void,
): void => {
  const taken = new Map<string | null, string>();
  for (const [name, each] of Object.entries(issuers)) {
    const at = [...root, 'issuers', name];
    if (each.anyIssuer === (each.issuer !== null)) {
      const sentence = each.anyIssuer
        ? 'must be left out beside anyIssuer: true'
        : 'must be given, or anyIssuer: true when the tokens name none';
      report([...at, 'issuer'], sentence);
    }
    const other = taken.get(each.issuer);
    if (other !== undefined) {
      const what = each.issuer === null ? 'takes tokens of any issuer' : 'has this issuer';
      report(at, `${what}, and so does ${other}: one issuer has one set of keys`);
    }
    taken.set(each.issuer, name);
    if (!sets.includes(each.set)) {
      const shown = JSON.stringify(each.set.slice(0, 80));
      report([...at, 'set'], `names the set ${shown}, which does not exist.${didYouMean(each.set, sets)}`);
    }
    if ((parseDuration(each.clockSkew) ?? 0) > 300_000) report([...at, 'clockSkew'], 'must be at most 5m');
    if (each.allowNoExp) warn(`validation.issuers.${name}.allowNoExp is on: a stolen token is good for ever`);
  }
};

const checkOkera = (okera: NonNullable<Validation['okera']>, report: Report): void => {
  const at = [...root, 'okera'];
  if (okera.publicKeys.length !== okera.algorithms.length) {
    report(
      [...at, 'algorithms'],
      `must name one algorithm for each of publicKeys, in the same order: ${okera.publicKeys.length}, not ${okera.algorithms.length}`,
    );
  }
  for (const [index, url] of okera.publicKeys.entries()) {
    checkFileUrl([...at, 'publicKeys', index], url, report);
    if (okera.publicKeys.indexOf(url) !== index) {
      report([...at, 'publicKeys', index], 'is listed twice: a key has one algorithm');
    }
  }
  if (okera.systemToken !== null) checkFileUrl([...at, 'systemToken'], okera.systemToken, report);
  if (okera.authenticationServerUrl !== null) {
    checkSecretUrl([...at, 'authenticationServerUrl'], okera.authenticationServerUrl, report);
  }
};

const checkFileUrl = (path: Path, text: string, report: Report): void => {
  try {
    fileURLToPath(text);
  } catch {
    report(path, 'must be a file URL with three slashes and no host: file:///etc/jwt/a.pub');
  }
};

const checkGroups = (groups: Validation['groups'], report: Report): void => {
  const at = [...root, 'groups'];
  for (const [index, each] of groups.order.entries()) {
    if (groups.order.indexOf(each) !== index) report([...at, 'order', index], `names ${each} twice`);
    if (each !== 'claim' && groups[each] === null) {
      report([...at, 'order', index], `names ${each}, but validation.groups.${each} is not given`);
    }
  }
  const { ldap, http } = groups;
  if (http !== null) {
    checkSecretUrl([...at, 'http', 'url'], http.url, report);
    checkTimeout([...at, 'http', 'timeout'], http.timeout, report);
  }
  if (ldap === null) return;
  checkTimeout([...at, 'ldap', 'timeout'], ldap.timeout, report);
  if ((ldap.bindDn === null) !== (ldap.passwordFile === null)) {
    report([...at, 'ldap', 'bindDn'], 'and passwordFile belong together: give both, or none for anonymous');
  }
  for (const [key, needed] of [
    ['userFilter', ['{{sub}}']],
    ['filter', ['{{dn}}', '{{sub}}']],
  ] as const) {
    if (!needed.some((each) => ldap[key].includes(each))) {
      report(
        [...at, 'ldap', key],
        `must hold ${needed.join(' or ')}: without it every subject has the same groups`,
      );
    }
  }
  if (!URL.canParse(ldap.url)) {
    report([...at, 'ldap', 'url'], 'must be a URL such as ldaps://ldap.example.org');
  } else if (
    new URL(ldap.url).protocol === 'ldap:' &&
    !ldap.startTls &&
    !isLoopback(new URL(ldap.url).hostname)
  ) {
    report(
      [...at, 'ldap', 'url'],
      'must be ldaps, or startTls must be true: over plain ldap anybody between can read the password and change the groups',
    );
  }
};

const checkTimeout = (path: Path, text: string, report: Report): void => {
  if ((parseDuration(text) ?? 0) < 100) report(path, 'must be at least 100ms');
};
